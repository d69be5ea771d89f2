"""docs/reference/settings.md: every table and key of config.toml."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import bot.settings
from bot import settings_people
from bot.platforms.messenger.settings import MessengerSettings
from engine.healing.checks import Check
from engine.nudges import NudgeRule
from tests.reference.markdown import page, table


def settings_tables() -> dict[str, tuple[type, tuple[str, ...]]]:
    """Heading of a table in config.toml → its class, and the fields that stand elsewhere."""
    tables: dict[str, tuple[type, tuple[str, ...]]] = {
        f"[{name}]": (cls, ()) for name, cls in bot.settings.SECTIONS.items()
    }
    tables |= {f"[{name}]": (cls, ()) for name, cls in bot.settings.OPTIONAL.items()}
    tables["[messenger]"] = (MessengerSettings, ("secrets", "webhook_urls"))
    tables["[messenger.NAME]"] = (bot.settings.MessengerSource, ())
    tables["[[person]]"] = (settings_people.PersonEntry, ())
    tables["[[room]]"] = (settings_people.RoomEntry, ())
    tables["[[check]]"] = (Check, ())
    tables["[[nudge]]"] = (NudgeRule, ())
    return tables


def page_text() -> str:
    parts = [
        "# Settings",
        "`config.toml`, table by table. `watchstander check` tells everything that is wrong with a"
        " file. It is read when the bot starts: restart it after a change.",
        'A text may be written as `"env:NAME"` (taken from the environment), or as'
        ' `<key>_file = "path"` (taken from a file). Use one of these for secrets. Paths are'
        " relative to `config.toml`. A setting with no default must be given.",
    ]
    switched_on = {f"[{name}]" for name in bot.settings.OPTIONAL} | {"[messenger]"}
    for heading, (cls, elsewhere) in settings_tables().items():
        parts.append(f"## `{heading}`")
        parts.append(_first_paragraph(cls))
        if heading in switched_on:
            parts.append("Without this table the platform is not connected.")
        rows = [row for row in _fields(cls) if row[0].strip("`") not in elsewhere]
        if rows:
            parts.append(table(("key", "type", "default", "meaning"), rows))
    return page(parts)


_TYPES = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "Path": "path",
    "Path | None": "path",
    "tuple[str, ...]": "list of texts",
    "tuple[int, ...]": "list of whole numbers",
}


def _fields(cls: type) -> Iterator[tuple[str, ...]]:
    words = field_docs(cls)
    for field in dataclasses.fields(cls):
        if field.init:
            kind = _TYPES.get(str(field.type), str(field.type))
            yield f"`{field.name}`", kind, _default(field), words[field.name]


def field_docs(cls: type) -> dict[str, str]:
    """Field → the docstring line that follows it; "" where there is none."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(tree, ast.ClassDef)
    words: dict[str, str] = {}
    last = ""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = node.target.id
            words[last] = ""
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and last:
            words[last] = " ".join(str(node.value.value).split()).replace("``", "`")
    return words


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    elif field.default is dataclasses.MISSING:
        return "required"
    else:
        value = field.default
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{item}"' for item in value) + "]`"
    return f"`{value}`" if isinstance(value, int | float) else f'`"{value}"`'


def _first_paragraph(cls: type) -> str:
    """What the class says of itself, without the sentences for programmers."""
    words = " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split()).replace("``", "`")
    sentences = re.split(r"(?<=\.) ", words)
    return " ".join(one for one in sentences if "raises" not in one.lower())
