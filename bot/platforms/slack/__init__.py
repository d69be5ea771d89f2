"""Slack: Socket Mode and signed HTTP in, Block Kit out. Start at platform.py."""
