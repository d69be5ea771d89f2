"""What people call an action type."""

from __future__ import annotations

from prompts.texts import Text, catalogue, text


def action_name(action_type: str) -> Text | str:
    """The type in the reader's words; its own name where there are none."""
    key = f"action_{action_type}"
    return text(key) if key in catalogue() else action_type
