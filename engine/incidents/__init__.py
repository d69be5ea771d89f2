"""What happened, and whether it happened before: class, symptom and group of an incident's text."""
