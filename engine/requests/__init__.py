"""Service requests."""
