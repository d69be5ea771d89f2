"""One stage per module and mode: a start takes seconds, so tests share it and look at changes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.attacks.doors import MODELESS, Doors
from tests.attacks.stage import MODES, Stage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out, in the first mode, the rooms whose door does not depend on the mode."""
    items[:] = [item for item in items if not _seen_in_the_other_mode(item)]


def _seen_in_the_other_mode(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    given = callspec.params if callspec is not None else {}
    return given.get("stage") == MODES[0] and bool(
        {given.get("way"), given.get("asked")} & set(MODELESS)
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=MODES)
async def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """The product in both modes."""
    folder = tmp_path_factory.mktemp(f"attacks-{request.param}")
    async with Stage(folder, request.param) as stage:
        yield stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The product in one mode, for attacks on doors that are the same in both."""
    async with Stage(tmp_path_factory.mktemp("attacks"), "called") as stage:
        yield stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(stage: Stage) -> AsyncIterator[Doors]:
    async with Doors(stage) as doors:
        yield doors


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain_doors(plain_stage: Stage) -> AsyncIterator[Doors]:
    async with Doors(plain_stage) as doors:
        yield doors
