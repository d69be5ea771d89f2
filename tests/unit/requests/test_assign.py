"""Who gets a request: skill, then load, then on call."""

from __future__ import annotations

from collections import Counter

from engine.requests.assign import Roster
from storage.backlog import Unassigned
from storage.people import Person, Role

JUN = Person(1, "jun", Role.ENGINEER, "en", ("restart", "LOG"))
LIN = Person(2, "lin", Role.ENGINEER, "en", ("RESTART",), on_call=True)
WU = Person(3, "wu", Role.ENGINEER, "en")
MIN = Person(4, "min", Role.REQUESTER, "ko", ("RESTART", "DEPLOY"), on_call=True)


def test_skill_counts_in_any_case() -> None:
    assert Roster([JUN, WU], {}).choose("RESTART") == JUN


def test_the_least_load_wins() -> None:
    assert Roster([JUN, LIN], {JUN.id: 1, LIN.id: 3}).choose("RESTART") == JUN


def test_on_call_breaks_a_tie() -> None:
    assert Roster([JUN, LIN], {JUN.id: 2, LIN.id: 2}).choose("RESTART") == LIN


def test_each_choice_adds_to_the_load() -> None:
    roster = Roster([JUN, LIN], {})
    chosen = Counter(person.name for _ in range(10) if (person := roster.choose("RESTART")))
    assert chosen == {"jun": 5, "lin": 5}


def test_nobody_skilled_means_on_call() -> None:
    roster = Roster([JUN, LIN, WU], {})
    assert roster.choose("DEPLOY") == LIN
    assert roster.types is None


def test_nobody_at_all_leaves_it() -> None:
    roster = Roster([JUN, WU], {})
    assert roster.choose("DEPLOY") is None
    assert roster.types == {"RESTART", "LOG"}


def test_requesters_are_never_given_work() -> None:
    roster = Roster([MIN], {})
    assert roster.choose("RESTART") is None
    assert roster.types == frozenset()


def test_sharing_gives_every_request_once() -> None:
    waiting = [Unassigned(n, f"SR-{n}", "RESTART" if n % 2 else "DEPLOY") for n in range(20)]
    given = Roster([JUN, WU], {}).share(waiting)
    assert list(given) == [(JUN.id, "jun")]
    assert [request.type for request in given[JUN.id, "jun"]] == ["RESTART"] * 10
