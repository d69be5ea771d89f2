"""The telegram platform."""
