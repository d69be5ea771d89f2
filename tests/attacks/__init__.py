"""Attacks on the whole product, at every door. What each row stands for is in its test's name."""
