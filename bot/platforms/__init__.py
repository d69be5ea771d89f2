"""One folder per platform. Platforms do not know each other."""
