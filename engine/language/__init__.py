"""From a message to a proposal: the parse contract, by a model or by rules."""
