"""What rows say about why something went wrong."""
