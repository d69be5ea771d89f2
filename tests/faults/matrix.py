"""Every failpoint that a scenario passes, before and after, on each database and each platform."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from storage.failpoints import When
from tests.faults import cases
from tests.faults.bot_process import Point
from tests.faults.cases import Case, Report
from tests.faults.databases import postgres_server, supply
from tests.faults.stage import Ground, prepare, scratch

Told = Callable[[Report], None]


@dataclass
class Field:
    """The databases that cases are tried on, and a folder for them."""

    folder: Path
    grounds: dict[str, Ground] = field(default_factory=dict)
    _count: int = 0

    @contextlib.contextmanager
    def place(self) -> Iterator[Path]:
        """A folder for one case."""
        self._count += 1
        place = self.folder / f"case{self._count}"
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


@asynccontextmanager
async def open_field(databases: Sequence[str], server: str = "") -> AsyncIterator[Field]:
    """Prepare the databases; ``server`` is a PostgreSQL that is there already."""
    with contextlib.ExitStack() as stack:
        found = Field(stack.enter_context(scratch()))
        for kind in databases:
            if kind != "sqlite" and not server:
                server = stack.enter_context(postgres_server())
            found.grounds[kind] = await prepare(supply(kind, server), found.folder / kind)
        yield found


async def all_cases(
    ground_of: Field, databases: Sequence[str], platforms: Sequence[str], draw: random.Random
) -> list[Case]:
    """Play each scenario once without a fault, and make cases of what it passed."""
    found: list[Case] = []
    for database in databases:
        for platform in platforms:
            with ground_of.place() as place:
                hits = await cases.dry(ground_of.grounds[database], place, platform)
            found += [Case(database, platform, point) for point in points(hits, draw)]
    return found


def points(hits: Iterable[tuple[str, When, int]], draw: random.Random) -> list[Point]:
    """Each point at its first time, and where there are more, at one drawn from them."""
    found = []
    for name, when, count in hits:
        found.append(Point(name, when, 1))
        if count > 1:
            found.append(Point(name, when, draw.randint(2, count)))
    return found


async def run_all(ground_of: Field, wanted: Sequence[Case], jobs: int, told: Told) -> None:
    """Run cases, some side by side."""
    waiting = iter(wanted)

    async def worker() -> None:
        for case in waiting:
            with ground_of.place() as place:
                told(await cases.run(ground_of.grounds[case.database], place, case))

    async with asyncio.TaskGroup() as group:
        for _ in range(jobs):
            group.create_task(worker())
