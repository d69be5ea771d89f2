"""One change to many requests: read from words, and carried out step by step once approved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import GiveUp, Why
from engine.requests import words
from engine.requests.desk import Desk
from prompts.texts import text
from storage import requests
from storage.database import Transaction
from storage.people import Person
from storage.requests import Request

ACTION_TYPE = "bulk_sr_update"
LIMIT = 100
OPS = ("close", "assign", "priority", "comment")
_VERB = "request"  # argv of a step inside Watchstander: request OP KEY VALUE


@dataclass(frozen=True)
class Bulk:
    """A bulk change as it is proposed: whole keys, in the order they were named, each once."""

    op: str
    value: str
    keys: tuple[str, ...]

    @property
    def params(self) -> dict[str, str]:
        return {"op": self.op, "value": self.value}


def read(line: str, now: int) -> Bulk:
    """Read "close ID…", "assign NAME ID…", "priority LEVEL ID…", "comment ID… : text".

    "close" takes a closing comment after " : " too. Raises GiveUp(INVALID) naming what is wrong.
    """
    first, *others = line.split(maxsplit=1) or [""]
    op, rest = first.lower(), "".join(others)
    if op not in OPS:
        raise GiveUp(Why.INVALID, text("bulk_usage", op=words.quoted(op), ops=", ".join(OPS)))
    value = ""
    if op in ("close", "comment"):
        rest, value = _split_comment(rest)
        ids = rest.replace(",", " ").split()
    else:
        value, ids = _split_value(rest.replace(",", " ").split())
    if op == "priority":
        value = words.priority(value)
    if not value and op != "close":
        raise GiveUp(Why.INVALID, text("bulk_no_value", op=op))
    return Bulk(op, value, _keys(ids, now))


async def check(tx: Transaction, bulk: Bulk) -> None:
    """Refuse with GiveUp(MISSING) when a named request does not exist."""
    known = await requests.known_keys(tx, bulk.keys)
    missing = [key for key in bulk.keys if key not in known]
    if missing:
        shown = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        raise GiveUp(Why.MISSING, text("bulk_missing", keys=shown, count=len(missing)))


async def carry_out(desk: Desk, tx: Transaction, person: Person, argv: Sequence[str]) -> Request:
    """Do one step ``("request", op, KEY, value)`` of an approved action, in the name of its asker.

    Gives the request as it is now. Raises GiveUp when it was closed meanwhile or is gone.
    """
    if len(argv) != 4 or argv[0] != _VERB or argv[1] not in OPS:
        raise GiveUp(Why.INVALID, text("bulk_bad_step", argv=words.quoted(" ".join(argv))))
    _, op, key, value = argv
    if op == "close":
        return await desk.close(tx, person, key, value, approved=True)
    if op == "assign":
        return await desk.assign(tx, person, key, value, approved=True)
    if op == "priority":
        return await desk.set_priority(tx, person, key, value, approved=True)
    return await desk.comment(tx, person, key, value)


def _split_comment(rest: str) -> tuple[str, str]:
    ids, _, comment = rest.partition(":")
    return ids, comment.strip()


def _split_value(parts: list[str]) -> tuple[str, list[str]]:
    # A name may be several words: it ends where the first id begins.
    for index, part in enumerate(parts):
        if index > 0 and words.looks_like_id(part):
            return " ".join(parts[:index]), parts[index:]
    return " ".join(parts), []


def _keys(ids: Sequence[str], now: int) -> tuple[str, ...]:
    keys = tuple(dict.fromkeys(words.request_key(typed, now) for typed in ids))
    if not keys:
        raise GiveUp(Why.INVALID, text("bulk_no_ids"))
    if len(keys) > LIMIT:
        raise GiveUp(Why.INVALID, text("bulk_too_many", count=len(keys), limit=LIMIT))
    return keys
