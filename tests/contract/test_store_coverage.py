"""Every public function of storage is asked on both databases, in a file beside this one."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BOTH = {"any_db", "any_url", "bare_db"}
"""Fixtures that are there once per database."""

THROUGH = {
    "signals.send": "test_store_database.py",
    "signals.listen": "test_store_database.py",
    "sqlite_connection.connect": "test_store_database.py",
    "snapshots.copy_rows": "test_backup.py",
    "snapshots.moment": "test_backup.py",
    "transfer.copy": "test_transfer.py",
    "transfer.first_filled": "test_transfer.py",
    "way_back.go_back": "test_migrations_with_rows.py",
}
"""What these files ask through the command, or the database, that is made of it."""

ON_POSTGRESQL = {"job_tables.make", "holds.alone_feeding", "running.at_rest"}
"""What only PostgreSQL has."""


def public() -> list[str]:
    found = []
    for path in sorted((ROOT / "storage").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
        found += [f"{path.stem}.{name}" for name in names if not name.startswith("_")]
    return found


def asked(path: Path) -> set[str]:
    """``module.function`` of storage that a test file names."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules: dict[str, str] = {}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "storage":
            modules |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("storage."):
            found |= {f"{str(node.module).partition('.')[2]}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add(f"{modules.get(node.value.id, '')}.{node.attr}")
    return found


def parameters(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    return {argument.arg for node in functions for argument in node.args.args}


FILES = sorted(Path(__file__).parent.glob("test_*.py"))


@pytest.fixture(scope="module")
def on_both() -> set[str]:
    return {name for path in FILES if parameters(path) & BOTH for name in asked(path)}


@pytest.fixture(scope="module")
def on_postgresql() -> set[str]:
    wanted = {*BOTH, "postgres_url"}
    return {name for path in FILES if parameters(path) & wanted for name in asked(path)}


@pytest.mark.parametrize("name", public())
def test_a_function_of_storage_is_asked_on_both_databases(
    name: str, on_both: set[str], on_postgresql: set[str]
) -> None:
    if name in THROUGH:
        assert parameters(Path(__file__).parent / THROUGH[name]) & {*BOTH, "postgres_url", "full"}
        return
    found = on_postgresql if name in ON_POSTGRESQL else on_both
    assert name in found, f"no test here takes any_db and calls {name}; write one"


def test_the_exceptions_are_functions_that_there_are() -> None:
    assert {*THROUGH, *ON_POSTGRESQL} <= set(public())


def test_no_two_locks_of_postgresql_have_one_number() -> None:
    """Two works with one number would wait for each other for no reason."""
    found = Counter(
        number
        for folder in ("bot", "handlers", "engine", "storage")
        for path in (ROOT / folder).rglob("*.py")
        for number in re.findall(r"= (0x574154[0-9A-F]{2})\b", path.read_text(encoding="utf-8"))
    )
    assert found
    assert [number for number, count in found.items() if count > 1] == []
