"""What is kept. The only place with SQL."""
