"""Writes docs/reference and its diagram from the code: ``python -m tests.reference``.

A test compares what is in docs with what is made here, so a new command, setting, action type or
path cannot be left undocumented.
"""

from __future__ import annotations

from pathlib import Path

from storage import lifecycle as states
from tests.reference import (
    actions,
    command_line,
    commands,
    drawing,
    lifecycle,
    messages,
    playbooks,
    rest,
    settings,
)

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def files() -> dict[str, str]:
    """Every generated file: path below docs → content."""
    return {
        "reference/settings.md": settings.page_text(),
        "reference/commands.md": commands.page_text(),
        "reference/actions.md": actions.page_text(),
        "reference/rest.md": rest.page_text(),
        "reference/command-line.md": command_line.page_text(),
        "reference/messages.md": messages.page_text(),
        "reference/playbooks.md": playbooks.page_text(),
        "reference/lifecycle.md": lifecycle.page_text(),
        "images/lifecycle.svg": drawing.svg(states.MOVES, states.FINAL, states.OPEN),
    }
