"""Texts for people and for models. A leaf: it imports nothing of the product."""
