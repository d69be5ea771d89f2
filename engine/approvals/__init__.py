"""Proposals and the decision about them."""
