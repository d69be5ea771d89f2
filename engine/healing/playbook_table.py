"""One table of a playbook's file: each key read by its rule, and every fault told with its key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

_LONGEST_TEXT = 1_000
_LONGEST_WORD = 100
_MOST_WORDS = 200


class Table:
    """A table and what has been asked of it. Values with a fault read as empty or least."""

    def __init__(self, raw: Mapping[str, Any], place: str, faults: list[str]) -> None:
        self._raw = raw
        self._place = place
        self._faults = faults
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._raw

    def blame(self, key: str, problem: str) -> None:
        """Note what is wrong with a key, and the mend."""
        place = f"[{self._place}] {key}".strip() if self._place else key
        self._faults.append(f"{place}: {problem}")

    def refuse(self, keys: Sequence[str], why: str) -> None:
        """Blame these keys where they stand, with a reason of their own."""
        for key in keys:
            if key in self._raw and key not in self._known:
                self._known.append(key)
                self.blame(key, why)

    def end(self, where: str = "") -> None:
        """Blame every key that nobody asked for."""
        for key in self._raw:
            if key not in self._known:
                near = difflib.get_close_matches(key, self._known, 1)
                meant = f"did you mean {near[0]}?" if near else f"use {', '.join(self._known)}"
                self.blame(repr(key)[1:-1], f"unknown key{where}; {meant}")

    def table(self, key: str, *, needed: bool = False) -> Table:
        """A table below this one."""
        return Table(
            self.mapping(key, needed=needed), f"{self._place}.{key}".strip("."), self._faults
        )

    def mapping(self, key: str, *, needed: bool = False) -> Mapping[str, Any]:
        """A table as it is."""
        value = self._take(key, {}, needed=needed)
        if not isinstance(value, dict):
            self.blame(key, f"must be a table; write [{f'{self._place}.{key}'.strip('.')}]")
            return {}
        return value

    def text(self, key: str, *, needed: bool = False) -> str:
        """A text that is not empty, in one line of signs that can be seen."""
        value = self._take(key, "", needed=needed)
        if key not in self._raw:
            return ""
        if not _good_text(value):
            self.blame(key, f"must be a text of 1 to {_LONGEST_TEXT} signs in one line")
            return ""
        return str(value)

    def word(self, key: str, pattern: re.Pattern[str], rule: str, *, needed: bool = False) -> str:
        """A text that fits a pattern as a whole."""
        value = self.text(key, needed=needed)
        if value and not pattern.fullmatch(value):
            self.blame(key, f"{value!r} cannot be used; write {rule}")
            return ""
        return value

    def choice(self, key: str, choices: Sequence[str], *, needed: bool = False) -> str:
        """One of a few words."""
        value = self.text(key, needed=needed)
        if value and value not in choices:
            self.blame(key, f"{value!r} is not known; use {', '.join(choices)}")
            return ""
        return value

    def words(self, key: str, *, needed: bool = False) -> tuple[str, ...]:
        """A list of short texts, without those that stand twice."""
        value = self._take(key, [], needed=needed)
        good = isinstance(value, list) and all(
            _good_text(one) and len(one) <= _LONGEST_WORD for one in value
        )
        if not good or len(value) > _MOST_WORDS:
            limits = f"{_MOST_WORDS} texts of 1 to {_LONGEST_WORD} signs"
            self.blame(key, f"must be a list of at most {limits}")
            return ()
        if needed and key in self._raw and not value:
            self.blame(key, "is empty; name at least one")
        return tuple(dict.fromkeys(value))

    def number(self, key: str, least: int, most: int, *, default: int | None = None) -> int:
        """A whole number within limits; without a default it has to be there."""
        value = self._take(key, default, needed=default is None)
        if value is None and key not in self._raw:
            return least
        if type(value) is not int or not least <= value <= most:
            self.blame(key, f"{value!r} must be a whole number from {least} to {most}")
            return least
        return value

    def translated(
        self, key: str, languages: Sequence[str], *, needed: bool = False
    ) -> Mapping[str, str]:
        """A text in each language; none at all only where it is not needed."""
        if key not in self._raw and not needed:
            self._known.append(key)
            return {}
        inner = self.table(key, needed=needed)
        found = {one: inner.text(one, needed=key in self._raw) for one in languages}
        inner.end()
        return found

    def _take(self, key: str, default: Any, *, needed: bool) -> Any:
        self._known.append(key)
        if needed and key not in self._raw:
            self.blame(key, "is missing; add it")
        return self._raw.get(key, default)


def _good_text(value: object) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value.strip()) <= len(value) <= _LONGEST_TEXT
        and value.isprintable()
    )
