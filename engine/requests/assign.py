"""Who gets a request: skill, then load, then who is on call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from storage.backlog import Unassigned
from storage.people import Person, Role


class Roster:
    """The people who can take requests, with how many live ones each has now."""

    def __init__(self, everyone: Iterable[Person], loads: Mapping[int, int]) -> None:
        self._able = [person for person in everyone if person.role >= Role.ENGINEER]
        self._on_call = [person for person in self._able if person.on_call]
        self._load = {person.id: loads.get(person.id, 0) for person in self._able}
        self._skilled: dict[str, list[Person]] = {}
        for person in self._able:
            for skill in {skill.upper() for skill in person.skills}:
                self._skilled.setdefault(skill, []).append(person)

    @property
    def types(self) -> frozenset[str] | None:
        """The request types that somebody can take; None = every type."""
        return None if self._on_call else frozenset(self._skilled)

    def choose(self, request_type: str | None) -> Person | None:
        """The next person for a type, who then has one more; None: nobody can take it."""
        candidates = self._skilled.get(request_type or "") or self._on_call
        if not candidates:
            return None
        chosen = min(candidates, key=lambda p: (self._load[p.id], not p.on_call, p.id))
        self._load[chosen.id] += 1
        return chosen

    def share(self, waiting: Sequence[Unassigned]) -> dict[tuple[int, str], list[Unassigned]]:
        """Every request that somebody can take, under ``(person id, name)``."""
        given: dict[tuple[int, str], list[Unassigned]] = {}
        for request in waiting:
            person = self.choose(request.type)
            if person is not None:
                given.setdefault((person.id, person.name), []).append(request)
        return given
