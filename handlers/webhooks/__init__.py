"""Deliveries from other programs, one source a file."""
