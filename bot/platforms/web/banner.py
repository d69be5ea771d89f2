"""The bar above the conversation that says what ends soon."""

from __future__ import annotations

from typing import Any

from engine.upkeep.expiry import Upkeep
from prompts.texts import say, text
from storage.database import Database

_SHOWN = 3


async def banner(db: Database, upkeep: Upkeep | None, language: str) -> dict[str, Any]:
    """Plain words in a language: ``title``, ``lines`` (none: nothing ends soon), ``ended``.

    ``day`` is the day in the configured zone, so that who closes the bar has rest for a day.
    """
    if upkeep is None:
        return {"day": "", "title": "", "lines": [], "ended": False}
    async with db.read() as tx:
        soon = await upkeep.soon(tx)
        today = upkeep.calendar.day(tx.now).isoformat()
    lines = [one.line() for one in soon[:_SHOWN]]
    if len(soon) > _SHOWN:
        lines.append(text("upkeep_more", count=len(soon) - _SHOWN))
    return {
        "day": today,
        "title": say(text("upkeep_title", count=len(soon)), language),
        "lines": [say(line, language) for line in lines],
        "ended": any(one.ended for one in soon),
    }
