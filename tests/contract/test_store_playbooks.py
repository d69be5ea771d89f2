"""Switches of playbooks, on both databases."""

from __future__ import annotations

import asyncio

from storage import playbooks
from storage.database import Database
from tests.contract.healing import jun, recorded


async def test_on_until_somebody_switches_it_off(any_db: Database) -> None:
    person = await jun(any_db)
    async with any_db.write() as tx:
        assert await playbooks.is_on(tx, "app-oom")
        assert not await playbooks.switch(tx, "app-oom", True, person)
        assert await playbooks.switch(tx, "app-oom", False, person)
        assert not await playbooks.switch(tx, "app-oom", False, person)
    async with any_db.write() as tx:
        assert not await playbooks.is_on(tx, "app-oom")
        assert await playbooks.is_on(tx, "db-refused")
        assert await playbooks.off(tx) == {"app-oom"}
        assert await playbooks.switch(tx, "app-oom", True, person)
        assert not await playbooks.switch(tx, "app-oom", True, person)
        assert await playbooks.is_on(tx, "app-oom")
        assert await playbooks.off(tx) == frozenset()
        assert await playbooks.switch(tx, "app-oom", False, person)
        assert await recorded(tx, "playbook.") == [
            ("person:jun", "playbook.off", "playbook:app-oom"),
            ("person:jun", "playbook.on", "playbook:app-oom"),
            ("person:jun", "playbook.off", "playbook:app-oom"),
        ]


async def test_one_of_many_switches_it(any_db: Database) -> None:
    person = await jun(any_db)

    async def off() -> bool:
        async with any_db.write() as tx:
            return await playbooks.switch(tx, "app-oom", False, person)

    assert sorted(await asyncio.gather(*(off() for _ in range(6)))) == [False] * 5 + [True]
