"""How typed arguments are read. A wrong one is refused with the usage, never guessed."""

from __future__ import annotations

import re

from engine.errors import GiveUp, Why
from engine.requests.words import quoted
from prompts.texts import text

_ACTION_ID = re.compile(r"#?([0-9]{1,12})", re.ASCII)


def action_id(word: str, usage: str) -> int:
    """An action's number as people type it: ``17`` or ``#17``. Raises GiveUp."""
    found = _ACTION_ID.fullmatch(word)
    if found is None:
        raise GiveUp(Why.INVALID, text("argument_id", given=quoted(word), usage=usage))
    return int(found[1])


def head(line: str) -> tuple[str, str]:
    """The first word and the rest; a line end and the wide space of Chinese keyboards part too."""
    parts = line.split(maxsplit=1)
    return parts[0] if parts else "", parts[1].strip() if len(parts) > 1 else ""


def none_left(arguments: str, usage: str) -> None:
    """Raises GiveUp when words follow a command that takes none."""
    if arguments:
        raise GiveUp(Why.INVALID, text("argument_extra", given=quoted(arguments), usage=usage))


def title_and_body(line: str) -> tuple[str, str]:
    """A title ends at the first "|" or line end, whichever comes first."""
    cut = min((at for at in (line.find("|"), line.find("\n")) if at >= 0), default=len(line))
    return line[:cut].strip(), line[cut + 1 :]
