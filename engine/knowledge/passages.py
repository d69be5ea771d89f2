"""An article cut into sentences, so that the one that answers can be quoted."""

from __future__ import annotations

import re

LONGEST = 300
"""Characters of a sentence; a longer one is cut, at a space where there is one."""
_END = re.compile(r"(?<=[。！？!?；])|(?<=[.;])\s+|(?:\r?\n)+")


def sentences(text: str) -> list[str]:
    """The sentences of a text without the blanks around them. None is longer than LONGEST."""
    found: list[str] = []
    for piece in _END.split(text):
        left = piece.strip()
        while len(left) > LONGEST:
            at = left.rfind(" ", LONGEST // 2, LONGEST)
            at = at if at > 0 else LONGEST
            found.append(left[:at].strip())
            left = left[at:].strip()
        if left:
            found.append(left)
    return found
