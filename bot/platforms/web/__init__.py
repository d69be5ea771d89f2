"""The built-in web room: a page and a WebSocket. Start at platform.py."""
