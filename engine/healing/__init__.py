"""Repairs: what is tried when an incident is known, how often, and whether it helped."""
