"""The team's own nudge rules of the configuration: ``[[nudge]]``."""

from __future__ import annotations

from bot.settings_reading import Source, blame_twice, place_of, read, tables
from engine.nudges import NudgeRule


def read_nudges(raw: object, source: Source) -> tuple[NudgeRule, ...]:
    """Every rule; what is wrong goes to the problems. Whether its action is LOW is seen later."""
    found: list[tuple[str, NudgeRule]] = []
    for number, table in enumerate(tables(raw, "[[nudge]]", source), 1):
        place = place_of("[[nudge]]", number, table, "name")
        rule = read(NudgeRule, table, place, source)
        if rule is not None:
            found.append((place, rule))
    blame_twice([(place, rule.name) for place, rule in found], "the name", source)
    return tuple(rule for _, rule in found)
