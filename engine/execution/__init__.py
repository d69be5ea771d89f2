"""Carries approved plans out."""
