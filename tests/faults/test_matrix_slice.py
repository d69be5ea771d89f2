"""A few of the cases of ``make faults``, drawn by a fixed seed: kill -9 at a failpoint."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from storage.failpoints import When
from tests.contract.conftest import postgres
from tests.faults import cases
from tests.faults.bot_process import Point
from tests.faults.cases import PLATFORMS, Case
from tests.faults.databases import KINDS, supply
from tests.faults.matrix import points
from tests.faults.stage import Ground, prepare

__all__ = ("postgres",)

_POINTS: tuple[tuple[str, int], ...] = (
    ("inbox.insert", 5),
    ("inbox.update", 5),
    ("outbox.insert", 8),
    ("outbox.update", 20),
    ("cards.update", 9),
    ("messages.insert", 4),
    ("action.approve", 1),
    ("action.claim", 2),
    ("action.reject", 1),
    ("action.succeed", 1),
    ("attempts.insert", 1),
    ("ssh.send", 2),
    ("ssh.exit", 1),
    ("slack.chat.postMessage", 2),
    ("telegram.sendMessage", 2),
    ("telegram.getUpdates", 1),
    ("web.push", 9),
    ("http.ack", 1),
)
"""Points that every platform's scenario passes, and about how often."""


_EACH = {"sqlite": 3, "postgresql": 1}
"""Cases of each platform; on PostgreSQL work is taken over only after a while, so they last."""


def drawn() -> list[Case]:
    """Some cases of each platform on each database."""
    draw = random.Random(5)
    found = []
    for database in KINDS:
        for platform in PLATFORMS:
            for name, most in draw.sample(_POINTS, _EACH[database]):
                when: When = "before" if draw.random() < 0.5 else "after"
                found.append(Case(database, platform, Point(name, when, draw.randint(1, most))))
    return found


@pytest.fixture(scope="module")
def grounds() -> dict[str, Ground]:
    return {}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", drawn(), ids=str)
async def test_killed(
    case: Case,
    grounds: dict[str, Ground],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> None:
    if case.database not in grounds:
        server = "" if case.database == "sqlite" else request.getfixturevalue("postgres")
        folder = tmp_path_factory.mktemp("ground") / case.database
        grounds[case.database] = await prepare(supply(case.database, server), folder)
    report = await cases.run(grounds[case.database], tmp_path / "case", case)
    assert report.violations == {}, f"{report.violations}\n{report.log[-3000:]}"
    assert report.reached, "it never came to its point"


def test_a_point_is_tried_at_its_first_time_and_at_a_later_one() -> None:
    found = points(
        [("inbox.insert", "before", 1), ("outbox.update", "after", 30)], random.Random(1)
    )
    first, other, later = found
    assert (first, other) == (
        Point("inbox.insert", "before", 1),
        Point("outbox.update", "after", 1),
    )
    assert 2 <= later.number <= 30


def test_a_case_is_tried_again_by_its_name() -> None:
    for case in drawn():
        assert Case.parse(str(case)) == case
