"""One slash command, one file."""
