"""The keys of the shipped model's own metadata."""

READER_KEY = "watchstander.reader"
"""A file that has it was made for the contract; its value is the version of marks and form."""
CALIBRATION_KEY = "watchstander.calibration"
"""JSON: how far the model is to be believed, fitted on held-back sentences."""
