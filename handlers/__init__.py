"""What comes in becomes a call on the engine; what comes out becomes a card."""
