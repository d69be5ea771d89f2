"""The keys of the shipped model's own metadata."""

READER_KEY = "watchstander.reader"
"""A file that has it was made for the contract; its value is the version of marks and form."""
READER_VERSION = 1
"""Goes up when the marks or the form change, so that an older file is refused."""
CALIBRATION_KEY = "watchstander.calibration"
"""JSON: how far the model is to be believed, fitted on held-back sentences."""
