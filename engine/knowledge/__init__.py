"""Articles, the search over them, and how sure an answer is. Pure: no table, no room, no model."""
