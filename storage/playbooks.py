"""Which playbooks a person switched off."""

from __future__ import annotations

import sqlalchemy as sa

from storage import audit
from storage.database import Transaction
from storage.incident_tables import playbook_switches
from storage.people import Person


async def is_on(tx: Transaction, name: str) -> bool:
    """Whether a playbook may be tried. All may that nobody switched off."""
    query = sa.select(playbook_switches.c.enabled).where(playbook_switches.c.playbook == name)
    row = await tx.one(query)
    return row is None or bool(row.enabled)


async def off(tx: Transaction) -> frozenset[str]:
    """The names of all that are switched off, those of playbooks that are gone among them."""
    query = sa.select(playbook_switches.c.playbook).where(playbook_switches.c.enabled.is_(False))
    return frozenset(row.playbook for row in await tx.all(query))


async def switch(tx: Transaction, name: str, on: bool, person: Person) -> bool:
    """Switch a playbook on or off. False: it stands so already."""
    values = {"enabled": on, "at": tx.now, "person_id": person.id}
    # A playbook without a row is on.
    added = None if on else await tx.insert_new(playbook_switches, playbook=name, **values)
    if added is None:
        changed = await tx.change(
            playbook_switches.update()
            .where(playbook_switches.c.playbook == name, playbook_switches.c.enabled != on)
            .values(**values)
        )
        if changed == 0:
            return False
    step = "on" if on else "off"
    await audit.append(tx, person.actor, f"playbook.{step}", f"playbook:{name}", {"playbook": name})
    tx.wake("incidents")
    return True
