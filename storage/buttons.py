"""Opaque button tokens. What a press means is kept here, never in the message."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage.database import Transaction
from storage.tables import buttons

TOKEN_BYTES = 18
"""144 bits: 24 characters, within every platform's limit and beyond guessing."""


@dataclass(frozen=True)
class ButtonRow:
    """What a token stands for."""

    id: int
    room_id: int
    card_id: int | None
    person_id: int | None
    verb: str
    payload: dict[str, Any]
    expires_at: int
    used_at: int | None


async def issue(
    tx: Transaction,
    room_id: int,
    verb: str,
    payload: Mapping[str, Any],
    *,
    lifetime_ms: int,
    card_id: int | None = None,
    person_id: int | None = None,
    question: int | None = None,
) -> str:
    """A token for this verb in this room. A card's copy keeps its token over edits.

    ``question`` is the same for all answers to one question: using one of them uses them all.
    """
    packed = json.dumps(dict(payload), sort_keys=True, ensure_ascii=False)
    if card_id is not None:
        known = await tx.one(
            sa.select(buttons.c.token).where(
                buttons.c.card_id == card_id, buttons.c.verb == verb, buttons.c.payload == packed
            )
        )
        if known is not None:
            return str(known.token)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    await tx.insert(
        buttons,
        token=token,
        room_id=room_id,
        card_id=card_id,
        person_id=person_id,
        question=question,
        verb=verb,
        payload=packed,
        expires_at=tx.now + lifetime_ms,
    )
    return token


async def find(tx: Transaction, token: str) -> ButtonRow | None:
    """What a token stands for; None for one that was never given out."""
    row = await tx.one(sa.select(buttons).where(buttons.c.token == token))
    if row is None:
        return None
    return ButtonRow(
        row.id,
        row.room_id,
        row.card_id,
        row.person_id,
        row.verb,
        json.loads(row.payload),
        row.expires_at,
        row.used_at,
    )


async def use(tx: Transaction, button: int) -> bool:
    """Use up a one-time button and the other answers to its question. False: used before."""
    row = await tx.one(
        buttons.update()
        .where(buttons.c.id == button, buttons.c.used_at.is_(None))
        .values(used_at=tx.now)
        .returning(buttons.c.question)
    )
    if row is None:
        return False
    if row.question is not None:
        others = buttons.c.question == row.question
        await tx.change(
            buttons.update().where(others, buttons.c.used_at.is_(None)).values(used_at=tx.now)
        )
    return True
