"""The model that ships: its file and the SHA-256 that it must have."""

from __future__ import annotations

from pathlib import Path

_PROMPTS = Path(__file__).resolve().parents[2] / "prompts"
SHIPPED = _PROMPTS / "reader.gguf"
SUM = _PROMPTS / "reader.sha256"


def shipped_sum() -> str:
    """The SHA-256 in hex; empty where no model ships."""
    return SUM.read_text(encoding="ascii").strip() if SUM.is_file() else ""
