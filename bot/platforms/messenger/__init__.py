"""Any other messenger, over HTTP both ways. Start at platform.py."""
