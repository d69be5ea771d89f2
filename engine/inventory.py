"""The inventory (CMDB): institutions, systems and assets, read from one TOML file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from engine.upkeep.listed import TABLES, Listed, read_listed

LAYERS = ("WAS", "WEB", "DB")
ENVIRONMENTS = ("PRD", "STG", "DEV")
_ROLES = {"WAS": "app", "WEB": "web", "DB": "db"}

# What may stand in each field. These values reach argv and SSH, so they are ASCII, never begin
# with a dash, and are matched whole.
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_ADDRESS = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:]{2,45}")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:-]{0,200}")
_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}")
_ROLE = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_FOLDER = re.compile(r"(?:/[A-Za-z0-9_][A-Za-z0-9_.@+=,:-]{0,254}){1,15}")
_KEY_FILE = re.compile(r"[^-\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,1000}")
_PATTERNS = {
    "code": _CODE,
    "host": _HOST,
    "address": _ADDRESS,
    "user": _USER,
    "service": _UNIT,
    "container": _CONTAINER,
    "role": _ROLE,
    "compose": _FOLDER,
    "compose_service": _CONTAINER,
    "key": _KEY_FILE,
    "via": _CODE,
}
_BASTION_WORDS = ("code", "host", "address", "user", "key")
_NAME_LIMIT = 200


@dataclass(frozen=True)
class Institution:
    """An organisation; ``names`` in the order people use them, the first is shown."""

    code: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class System:
    """A system of an institution."""

    code: str
    institution: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Asset:
    """One thing that can be acted on: a systemd unit or a container on a host."""

    code: str
    system: str
    layer: str
    environment: str
    host: str
    service: str = ""
    container: str = ""
    address: str = ""
    """Where SSH connects; the host name when empty."""
    port: int = 22
    user: str = ""
    """Login name; the configured default when empty."""
    key: str = ""
    """Private key file; the configured default when empty."""
    names: tuple[str, ...] = ()
    """Further names people use for it."""
    role: str = ""
    """What playbooks know it by; when not given the layer's: WAS app, WEB web, DB db."""
    compose: str = ""
    """Folder of its docker compose project on the host, an absolute path; "" = in none."""
    compose_service: str = ""
    """What the project calls it; the container's name when empty."""
    via: str = ""
    """Code of the bastion through which the host is reached; "" = directly."""

    def __post_init__(self) -> None:
        if not self.role:
            object.__setattr__(self, "role", _ROLES.get(self.layer, ""))


@dataclass(frozen=True)
class Bastion:
    """A jump host: SSH goes through it to the hosts behind it. Nothing is run on it."""

    code: str
    host: str
    address: str = ""
    """Where SSH connects; the host name when empty."""
    port: int = 22
    user: str = ""
    """Login name; the configured default when empty."""
    key: str = ""
    """Private key file; the configured default when empty."""


@dataclass(frozen=True)
class Inventory:
    """All of it, by code. Order is the file's."""

    institutions: Mapping[str, Institution]
    systems: Mapping[str, System]
    assets: Mapping[str, Asset]
    listed: Listed = field(default=Listed())
    """Certificates, licences and domains, which end some day."""
    bastions: Mapping[str, Bastion] = field(default_factory=dict)

    def on_host(self, host: str) -> list[Asset]:
        """The assets of a host."""
        return [asset for asset in self.assets.values() if asset.host == host]


class InventoryError(Exception):
    """The file cannot be used. ``problems`` holds "where: what; the mend", one each."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.path = path
        self.problems = problems


def load_inventory(path: Path) -> Inventory:
    """Read the file. Raises InventoryError with everything that is wrong, not only the first."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InventoryError(path, [f"{path}: no such file; create it or mend the path"]) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InventoryError(path, [f"{path}: cannot be read as TOML: {error}"]) from None
    problems: list[str] = [
        f"{key}: unknown key; use [[institution]], [[system]], [[asset]], [[bastion]]"
        f" and [[{']], [['.join(TABLES)}]] only"
        for key in raw
        if key not in ("institution", "system", "asset", "bastion", *TABLES)
    ]
    assets = {a.code: a for a in _assets(raw, problems)}
    inventory = Inventory(
        {i.code: i for i in _institutions(raw, problems)},
        {s.code: s for s in _systems(raw, problems)},
        assets,
        read_listed(raw, assets, problems),
        {b.code: b for b in _bastions(raw, problems)},
    )
    problems += _dangling(raw, inventory)
    if problems:
        raise InventoryError(path, [f"{path}: {problem}" for problem in problems])
    return inventory


def _institutions(raw: Mapping[str, Any], problems: list[str]) -> Iterator[Institution]:
    for where, table in _tables(raw, "institution", {"code", "names"}, problems):
        code = _word(where, table, "code", problems, needed=True)
        names = _names(where, table, problems, needed=True)
        if code:
            yield Institution(code, names)


def _systems(raw: Mapping[str, Any], problems: list[str]) -> Iterator[System]:
    for where, table in _tables(raw, "system", {"code", "institution", "names"}, problems):
        code = _word(where, table, "code", problems, needed=True)
        institution = _text(where, table, "institution", problems, needed=True)
        names = _names(where, table, problems, needed=True)
        if code:
            yield System(code, institution, names)


def _assets(raw: Mapping[str, Any], problems: list[str]) -> Iterator[Asset]:
    keys = {field.name for field in fields(Asset)}
    for where, table in _tables(raw, "asset", keys, problems):
        words = {
            key: _word(where, table, key, problems, needed=key in ("code", "host"))
            for key in _PATTERNS
        }
        if ("service" in table) == ("container" in table):
            problems.append(
                f"{where}: name either a service (a systemd unit) or a container, exactly one"
            )
        problems += _compose_problems(where, table)
        asset = Asset(
            system=_text(where, table, "system", problems, needed=True),
            layer=_one_of(where, table, "layer", LAYERS, problems),
            environment=_one_of(where, table, "environment", ENVIRONMENTS, problems),
            port=_port(where, table, problems),
            names=_names(where, table, problems, needed=False),
            **words,
        )
        if asset.code:
            yield asset


def _bastions(raw: Mapping[str, Any], problems: list[str]) -> Iterator[Bastion]:
    if "bastion" not in raw:
        return
    for where, table in _tables(raw, "bastion", {*_BASTION_WORDS, "port"}, problems):
        words = {
            key: _word(where, table, key, problems, needed=key in ("code", "host"))
            for key in _BASTION_WORDS
        }
        bastion = Bastion(port=_port(where, table, problems), **words)
        if bastion.code:
            yield bastion


def _compose_problems(where: str, table: Mapping[str, Any]) -> Iterator[str]:
    if "compose" in table and "container" not in table:
        yield f"{where}: compose is for containers; name the container, or remove compose"
    if "compose_service" in table and "compose" not in table:
        yield f"{where}: compose_service needs the project's folder; add compose, or remove it"


def _tables(
    raw: Mapping[str, Any], kind: str, keys: set[str], problems: list[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each table of a kind with the place to name in a problem."""
    tables = raw.get(kind, [])
    if not isinstance(tables, list):
        problems.append(f"{kind}: must be a list of tables; write [[{kind}]], not [{kind}]")
        return
    if not tables:
        problems.append(f"{kind}: none given; add at least one [[{kind}]]")
    for number, table in enumerate(tables, 1):
        where = _place(kind, number, table)
        if not isinstance(table, dict):
            problems.append(f"{where}: must be a table; write [[{kind}]] above its keys")
            continue
        for key in table.keys() - keys:
            problems.append(f"{where}: unknown key {key!r}; known are {', '.join(sorted(keys))}")
        yield where, table


def _place(kind: str, number: int, table: object) -> str:
    code = table.get("code") if isinstance(table, dict) else None
    return f"{kind} {code!r}" if isinstance(code, str) and code else f"{kind} number {number}"


def _text(
    where: str, table: Mapping[str, Any], key: str, problems: list[str], *, needed: bool
) -> str:
    value = table.get(key)
    if value is None:
        if needed:
            problems.append(f"{where}: {key} is missing; add it")
        return ""
    if not isinstance(value, str) or not value:
        problems.append(f"{where}: {key} = {value!r} must be a text that is not empty")
        return ""
    return value


def _word(
    where: str, table: Mapping[str, Any], key: str, problems: list[str], *, needed: bool = False
) -> str:
    """A text that fits the pattern of its key."""
    value = _text(where, table, key, problems, needed=needed)
    if value and not _PATTERNS[key].fullmatch(value):
        problems.append(
            f"{where}: {key} = {value!r} is not valid; "
            f"it must fit {_PATTERNS[key].pattern} (plain ASCII, no leading dash)"
        )
        return ""
    return value


def _one_of(
    where: str,
    table: Mapping[str, Any],
    key: str,
    allowed: tuple[str, ...],
    problems: list[str],
) -> str:
    value = table.get(key)
    if value not in allowed:
        problems.append(f"{where}: {key} = {value!r}; use one of {', '.join(allowed)}")
        return allowed[0]
    return str(value)


def _port(where: str, table: Mapping[str, Any], problems: list[str]) -> int:
    port = table.get("port", 22)
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        problems.append(f"{where}: port = {port!r}; use a whole number from 1 to 65535")
        return 22
    return port


def _names(
    where: str, table: Mapping[str, Any], problems: list[str], *, needed: bool
) -> tuple[str, ...]:
    names = table.get("names", [])
    if not isinstance(names, list) or not all(_good_name(name) for name in names):
        problems.append(
            f"{where}: names = {names!r} must be a list of texts, each of 1 to {_NAME_LIMIT} "
            "characters without control characters"
        )
        return ()
    if needed and not names:
        problems.append(f"{where}: names is missing or empty; add at least one, the first is shown")
    return tuple(name.strip() for name in names)


def _good_name(name: object) -> bool:
    return (
        isinstance(name, str)
        and 0 < len(name.strip()) <= _NAME_LIMIT
        and not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in name)
    )


def _dangling(raw: Mapping[str, Any], inventory: Inventory) -> list[str]:
    """Codes that stand twice, and codes that point nowhere."""
    problems = [
        problem
        for kind in ("institution", "system", "asset", "bastion")
        for problem in _twice(raw, kind)
    ]
    problems += [
        f"system {system.code!r}: institution {system.institution!r} is not in this file; "
        "mend the code or add the [[institution]]"
        for system in inventory.systems.values()
        if system.institution and system.institution not in inventory.institutions
    ]
    problems += [
        f"asset {asset.code!r}: system {asset.system!r} is not in this file; "
        "mend the code or add the [[system]]"
        for asset in inventory.assets.values()
        if asset.system and asset.system not in inventory.systems
    ]
    problems += [
        f"asset {asset.code!r}: via {asset.via!r} is not in this file; "
        "mend the code or add the [[bastion]]"
        for asset in inventory.assets.values()
        if asset.via and asset.via not in inventory.bastions
    ]
    return problems


def _twice(raw: Mapping[str, Any], kind: str) -> Iterable[str]:
    """Codes are compared without case, because people type them without care for it."""
    seen: dict[str, int] = {}
    tables = raw.get(kind, [])
    for number, table in enumerate(tables if isinstance(tables, list) else [], 1):
        code = table.get("code") if isinstance(table, dict) else None
        if not isinstance(code, str):
            continue
        first = seen.setdefault(code.lower(), number)
        if first != number:
            yield (
                f"{kind} {code!r}: the code stands twice (number {first} and {number}); "
                "give each its own"
            )
