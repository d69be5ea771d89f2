"""The health checks of the configuration: ``[[check]]``."""

from __future__ import annotations

from bot.settings_reading import Source, blame_twice, place_of, read, tables
from engine.healing.checks import Check


def read_checks(raw: object, source: Source) -> tuple[Check, ...]:
    """Every check; what is wrong goes to the problems."""
    found: list[tuple[str, Check]] = []
    for number, table in enumerate(tables(raw, "[[check]]", source), 1):
        place = place_of("[[check]]", number, table, "name")
        check = read(Check, table, place, source)
        if check is not None:
            found.append((place, check))
    blame_twice([(place, check.name.casefold()) for place, check in found], "the name", source)
    return tuple(check for _, check in found)
