"""Decides and does. Knows no chat platform."""
