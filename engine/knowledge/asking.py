"""Likely questions for an article, to be reviewed with it: people rarely ask in its own words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.errors import GiveUp
from engine.knowledge import shelf
from engine.knowledge.writing import Writer
from prompts.texts import Text, say

MOST = 5
"""Questions that are proposed; reviewers may keep more."""
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s*")
_TEMPLATES = ("kb_question_how", "kb_question_what")
_BODY = 2_000


async def likely_questions(
    writer: Writer, title: str, body: str, language: str, own: Sequence[str] = ()
) -> tuple[str, ...]:
    """The asker's own words first, then a model's; without both, templates of the title."""
    worded = await writer.write(
        "write_questions.j2", title=title, body=body[:_BODY], language=language, most=MOST
    )
    lines = [*own, *(_BULLET.sub("", line) for line in (worded or "").splitlines())]
    found = kept(lines)
    if found:
        return found
    return kept([say(Text(key, {"title": title}), language) for key in _TEMPLATES])


def kept(lines: Sequence[str]) -> tuple[str, ...]:
    """Those of the lines that can be kept as questions, each once."""
    found: dict[str, None] = {}
    for line in lines:
        try:
            found.update(dict.fromkeys(shelf.questions([line])))
        except GiveUp:
            continue  # too long, or with characters that cannot be kept: no question of ours
    return tuple(found)[:MOST]
