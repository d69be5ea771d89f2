"""REST, one area a file."""
