"""What stays the same each time something goes wrong in the same way."""

from __future__ import annotations

import hashlib

from engine.incidents.tokens import VALUE, VARIABLE, collapsed, unquoted, variables, words


def constant(text: str) -> str:
    """The text in lower case, one line, with ``*`` for each variable. Never raises for content.

    Variables are, beside what varies by its look, what stands in quotes, after an equals sign, and
    after a word that announces a name, such as "user". One at the beginning, mostly the time, is
    left out.
    """
    announce = variables().announce
    kept: list[str] = []
    before = ""
    for word in words(unquoted(collapsed(text))):
        lower = word.lower()
        # A name with dots in small letters is a host or a file, but at the beginning who speaks.
        dotted = bool(kept) and "." in word and word == lower
        varies = word.startswith(VALUE) or before in announce or dotted or word == VARIABLE
        before = lower
        if not varies:
            kept.append(lower)
        elif kept and kept[-1] != VARIABLE:
            kept.append(VARIABLE)
    return " ".join(kept)


def symptom_hash(kind: str, service: str, text: str) -> str:
    """16 hexadecimal characters over class, service (or "") and the constant part of the text."""
    parts = (kind, service.strip().lower(), constant(text))
    written = "\x1f".join(part.replace("\x1f", " ") for part in parts)
    return hashlib.sha256(written.encode("utf-8", "replace")).hexdigest()[:16]
