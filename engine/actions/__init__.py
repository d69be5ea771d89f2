"""What Watchstander can do: one action type, one file."""
