"""Pages and tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

HEAD = "<!-- Written by `python -m tests.reference` from the code. -->"


def page(parts: Sequence[str]) -> str:
    """Paragraphs with a blank line between them; empty ones are left out."""
    return "\n\n".join(part.strip("\n") for part in (HEAD, *parts) if part) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")
