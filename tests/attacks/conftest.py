"""One stage per module and mode: a start takes seconds, so tests share it and look at changes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.attacks.doors import Doors
from tests.attacks.stage import MODES, Stage


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
