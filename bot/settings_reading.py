"""From TOML tables to the settings dataclasses: the fields and their types are the rules.

A new field needs no code here.  A number must be above zero, or may be zero where zero is its
default; any narrower rule is a ValueError from the class's own ``__post_init__``.  A text may be
given as ``"env:NAME"``, or in a file as ``<key>_file = "path"``.  Paths are relative to the file.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_MISSING: Any = object()


class _Bad(Exception):
    """A value that cannot be used: what is wrong with it, and the mend."""


@dataclass
class Source:
    """A configuration file as it is read: where it is, and everything that is wrong with it."""

    path: Path
    environ: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    def blame(self, place: str, what: str) -> None:
        """Note a problem; ``what`` is "what is wrong; the mend"."""
        where = f"{self.path.name}: {place}" if place else self.path.name
        self.problems.append(f"{where}: {what}")

    def beside(self, path: str) -> Path:
        """A path as the file means it."""
        return (self.path.parent / Path(path).expanduser()).absolute()


def read(cls: type[T], raw: object, place: str, source: Source) -> T | None:
    """A settings object from a table; None when something is wrong, which is in the problems.

    ``place`` names the table in messages, e.g. ``[ssh]``.
    """
    if not isinstance(raw, Mapping):
        source.blame(place, f"expected a table, found {_kind(raw)}; write {place} on its own line")
        return None
    count = len(source.problems)
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(typing.cast(Any, cls)) if f.init}
    blame_unknown(raw, place, [*fields, *_file_keys(fields, hints)], source)
    values: dict[str, Any] = {}
    for name, spec in fields.items():
        value = _given(raw, name, hints[name], place, source)
        if value is not _MISSING:
            values[name] = _checked(spec, hints[name], value, place, source)
        elif isinstance(spec.default, Path):
            values[name] = source.beside(str(spec.default))
        elif _required(spec):
            blame_missing(place, name, source)
    if len(source.problems) > count:
        return None
    try:
        return cls(**values)
    except ValueError as error:
        source.blame(place, str(error))
        return None


def blame_missing(place: str, name: str, source: Source) -> None:
    """Note a setting that has no default and is not there."""
    source.blame(f"{place} {name}", "is missing; add it (config.example.toml shows how)")


def blame_unknown(
    raw: Mapping[str, Any], place: str, known: Collection[str], source: Source
) -> None:
    """Note every key that is no setting, with the nearest that is one."""
    for key in raw:
        if key in known:
            continue
        near = difflib.get_close_matches(key, known, 1)
        mend = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known))}"
        source.blame(f"{place} {key}".strip(), f"no such setting; {mend}")


def tables(raw: object, place: str, source: Source) -> list[Mapping[str, Any]]:
    """The tables of a list such as ``[[room]]``; what is no such list goes to the problems."""
    if isinstance(raw, list) and all(isinstance(item, Mapping) for item in raw):
        return raw
    source.blame(place, f"expected a list of tables; begin each one with {place}")
    return []


def place_of(kind: str, number: int, table: Mapping[str, Any], key: str) -> str:
    """How messages name one table of a list: by its name, or by its number."""
    name = table.get(key)
    return f"{kind} {name}" if isinstance(name, str) and name else f"{kind} {number}"


def blame_twice(places: list[tuple[str, str]], what: str, source: Source) -> None:
    """Note every value that stands at more than one place; ``what`` says what the value is."""
    seen: dict[str, str] = {}
    for place, value in places:
        if value in seen:
            source.blame(place, f"{what} {value} is taken by {seen[value]}; keep one of them")
        seen.setdefault(value, place)


def _required(spec: dataclasses.Field[Any]) -> bool:
    return spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING


def _file_keys(fields: Collection[str], hints: Mapping[str, Any]) -> list[str]:
    return [f"{name}_file" for name in fields if hints[name] is str]


def _given(raw: Mapping[str, Any], name: str, hint: Any, place: str, source: Source) -> Any:
    """The raw value, wherever it stands; _MISSING when it is nowhere."""
    beside = f"{name}_file"
    if hint is not str or beside not in raw:
        return raw.get(name, _MISSING)
    if name in raw:
        source.blame(f"{place} {name}", f"is given twice; keep {name} or {beside}")
    try:
        return source.beside(str(raw[beside])).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        source.blame(f"{place} {beside}", f"cannot be read ({reason}); mend the path or the file")
        return ""


def _checked(
    spec: dataclasses.Field[Any], hint: Any, value: Any, place: str, source: Source
) -> Any:
    """The converted value, or _MISSING when it cannot be used."""
    try:
        converted = _convert(hint, value, source)
        if isinstance(converted, int | float) and not isinstance(converted, bool):
            _in_range(spec, converted)
    except _Bad as error:
        source.blame(f"{place} {spec.name}", str(error))
        return _MISSING
    return converted


def _in_range(spec: dataclasses.Field[Any], value: float) -> None:
    zero_allowed = spec.default == 0
    if spec.name == "port" or spec.name.endswith("_port"):
        if not 1 <= value <= 65535:
            raise _Bad(f"{value} is no port; give one from 1 to 65535")
    elif not math.isfinite(value) or value < 0 or (value == 0 and not zero_allowed):
        least = "zero or more" if zero_allowed else "above zero"
        raise _Bad(f"{value} is out of range; give a number {least}")


def _convert(hint: Any, value: Any, source: Source) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _optional(hint, value, source)
    if origin is tuple:
        return _several(typing.get_args(hint)[0], value, source)
    if origin is not None and issubclass(origin, Mapping):
        return _table(typing.get_args(hint)[1], value, source)
    return _single(hint, value, source)


def _optional(hint: Any, value: Any, source: Source) -> Any:
    if value == "":
        return None
    inner = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    return _convert(inner, value, source)


def _several(hint: Any, value: Any, source: Source) -> tuple[Any, ...]:
    """A list, or one value in place of a list of one."""
    return tuple(_convert(hint, item, source) for item in (value if _is_list(value) else [value]))


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _table(hint: Any, value: Any, source: Source) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _Bad(f"expected a table, found {_kind(value)}; write {{ name = … }}")
    return {str(key): _convert(hint, item, source) for key, item in value.items()}


def _single(hint: Any, value: Any, source: Source) -> Any:
    convert = _SINGLE.get(hint)
    if convert is None:
        raise TypeError(f"a setting cannot be of type {hint!r}")
    return convert(value, source)


def _text(value: Any, source: Source) -> str:
    if not isinstance(value, str):
        raise _Bad(f'expected a text, found {_kind(value)}; put it in quotes: "…"')
    if not value.startswith("env:"):
        return value
    name = value.removeprefix("env:")
    if not source.environ.get(name):
        raise _Bad(f"the environment has no {name}; set it before the start")
    return source.environ[name]


def _path(value: Any, source: Source) -> Path:
    written = _text(value, source)
    if not written:
        raise _Bad("is empty; give a path")
    return source.beside(written)


def _whole(value: Any, _source: Source) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Bad(f"expected a whole number, found {_kind(value)}; write it without quotes")
    return value


def _number(value: Any, _source: Source) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Bad(f"expected a number, found {_kind(value)}; write it without quotes")
    return float(value)


def _yes_or_no(value: Any, _source: Source) -> bool:
    if not isinstance(value, bool):
        raise _Bad(f"expected true or false, found {_kind(value)}; write it without quotes")
    return value


_SINGLE: dict[Any, Callable[[Any, Source], Any]] = {
    str: _text,
    Path: _path,
    int: _whole,
    float: _number,
    bool: _yes_or_no,
}

_KINDS = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "a table"
    return "a list" if isinstance(value, list) else _KINDS.get(type(value), "a date")
