"""The failpoints at calls to the outside: the list and the code say the same."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from storage import audit, failpoints
from storage.database import Database
from storage.failpoints import OUTSIDE, When
from storage.tables import rooms

_ROOT = Path(__file__).parents[2]
_FOLDERS = ("bot", "handlers", "engine", "storage")


@pytest.fixture
def passed() -> Iterator[list[tuple[str, When]]]:
    found: list[tuple[str, When]] = []
    failpoints.arm(lambda point, when: found.append((point, when)))
    yield found
    failpoints.arm(None)


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for folder in _FOLDERS:
        for path in (_ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call):
                    yield str(path.relative_to(_ROOT)), node


def _written(when: str) -> set[str]:
    """The names that stand in the code as they are."""
    found = set()
    for _, call in _calls():
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name("failpoints"), attr=attr),
                args=[ast.Constant(str(name))],
            ) if attr == when:
                found.add(name)
    return found


def _slack_methods() -> set[str]:
    """The methods that are handed to ``Calls``."""
    found = set()
    for path, call in _calls():
        if not path.startswith("bot/platforms/slack/"):
            continue
        match call:
            case ast.Call(
                func=ast.Attribute(attr="_calls"),
                args=[ast.Attribute(value=ast.Attribute() | ast.Name(), attr=name), *_],
            ):
                found.add(f"slack.{name.replace('_', '.')}")
    return found


def _telegram_methods() -> set[str]:
    """The methods that are called on the bot."""
    from telegram import Bot

    found = {"telegram.getUpdates"}
    for path, call in _calls():
        if not path.startswith("bot/platforms/telegram/"):
            continue
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="bot"), attr=name)):
                first, *rest = name.split("_")
                if name == "initialize":
                    found.add("telegram.getMe")
                elif name != "shutdown" and hasattr(Bot, first + "".join(map(_big, rest))):
                    found.add(f"telegram.{first}{''.join(map(_big, rest))}")
    return found


def _big(word: str) -> str:
    return word.capitalize()


def test_the_list_holds_every_point_in_the_code() -> None:
    in_code = _written("before") | _slack_methods() | _telegram_methods()
    assert in_code == set(OUTSIDE)


def test_each_point_has_both_sides() -> None:
    assert _written("before") == _written("after")


def test_the_list_is_in_order_and_names_nothing_twice() -> None:
    assert list(OUTSIDE) == sorted(set(OUTSIDE))


def test_only_tests_arm_them() -> None:
    for path, call in _calls():
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Name("failpoints"), attr="arm")):
                pytest.fail(f"{path} arms failpoints")


def test_an_unarmed_point_is_one_comparison() -> None:
    for point in (failpoints.before, failpoints.after):
        (function,) = ast.parse(inspect.getsource(point)).body
        assert isinstance(function, ast.FunctionDef)
        statements = [one for one in function.body if not isinstance(one, ast.Expr)]
        assert len(statements) == 1
        assert isinstance(statements[0], ast.If)
        assert isinstance(statements[0].test, ast.Compare)


async def test_a_commit_has_a_point_for_each_write_and_audit_row(
    db: Database, passed: list[tuple[str, When]]
) -> None:
    async with db.write() as tx:
        await tx.execute(sa.update(rooms).values(cards=False))
        await audit.append(tx, "person:ana", "action.approve", "action:1")
        assert passed == []
    before = ["action.approve", "audit.insert", "rooms.update"]
    assert [name for name, when in passed if when == "before"] == before
    assert [name for name, when in passed if when == "after"] == before


async def test_what_raises_before_a_commit_takes_it_back(db: Database) -> None:
    class Full(OSError):
        pass

    def refuse(point: str, when: When) -> None:
        if (point, when) == ("rooms.insert", "before"):
            raise Full

    failpoints.arm(refuse)
    try:
        with pytest.raises(Full):
            async with db.write() as tx:
                values = {"platform": "web", "tenant": "", "address": "a", "language": "en"}
                await tx.execute(sa.insert(rooms).values(**values))
    finally:
        failpoints.arm(None)
    async with db.read() as tx:
        assert await tx.all(sa.select(rooms.c.id)) == []
