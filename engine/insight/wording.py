"""A local model words a root cause. Its words stand beside the facts, never instead of them."""

from __future__ import annotations

import re

from engine.insight.root_cause import Analysis
from engine.knowledge.writing import Writer
from prompts.texts import Text, say, text

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*", re.ASCII)


async def worded(writer: Writer, found: Analysis, language: str) -> str | None:
    """One paragraph in a language. Outside any transaction: a model takes its time.

    None: there is no model, it was too slow, or nothing is to be worded, or it named a key, a
    number or a host that is not among the facts.
    """
    if not found.causes:
        return None
    incident = f"{found.incident.key} {found.incident.severity}: {found.incident.summary}"
    findings = "\n".join(say(line, language) for line in lines(found))
    words = await writer.write(
        "root_cause.j2", language=language, incident=incident, findings=findings
    )
    if words is None or not _grounded(words, f"{incident}\n{findings}"):
        return None
    return words


def lines(found: Analysis) -> list[Text | str]:
    """Causes with their evidence, then what helped before, one line each."""
    told: list[Text | str] = []
    for number, cause in enumerate(found.causes, 1):
        told.append(text("cause_line", number=number, title=cause.title, score=cause.score))
        told += [text("cause_evidence", line=line.text) for line in cause.evidence]
    if found.solved:
        told.append(text("solved_title"))
        told += [text("cause_evidence", line=line.text) for line in found.solved]
    return told


def _grounded(words: str, facts: str) -> bool:
    """Every word with a digit in it, such as a key, a host or a time, stands in the facts."""
    named = {word.rstrip("._:/-") for word in _WORD.findall(words) if re.search("[0-9]", word)}
    known = {word.rstrip("._:/-") for word in _WORD.findall(facts)}
    return named <= known
