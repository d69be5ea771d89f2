"""What runs out and is listed in the inventory: certificates, licences and domains."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

TABLES = ("certificate", "licence", "domain")
"""Their tables in inventory.toml; none of them has to be there."""

# A name that a connection is made to: never with a leading dash, and matched whole.
_HOST = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:.]{2,45}", re.ASCII
)
_TEXT_LIMIT = 200


@dataclass(frozen=True)
class Certificate:
    """A server whose certificate is looked at over TLS."""

    name: str
    host: str
    """Where it is: a name, or an IPv4 or IPv6 address."""
    port: int = 443
    servername: str = ""
    """The name that is asked for (SNI) and that the certificate must hold; "" = the host."""
    asset: str = ""
    """The asset that it belongs to; "" = none."""

    @property
    def wanted(self) -> str:
        return self.servername or self.host


@dataclass(frozen=True)
class Licence:
    """A licence with its last day."""

    name: str
    product: str
    expires: date
    owner: str = ""
    """Who renews it."""
    seats: int | None = None


@dataclass(frozen=True)
class Domain:
    """A registered domain with its last day."""

    name: str
    expires: date


@dataclass(frozen=True)
class Listed:
    """All of it, in the file's order."""

    certificates: tuple[Certificate, ...] = ()
    licences: tuple[Licence, ...] = ()
    domains: tuple[Domain, ...] = ()


def read_listed(raw: Mapping[str, Any], assets: Collection[str], problems: list[str]) -> Listed:
    """The tables of an inventory file. What is wrong is added to ``problems`` with its mend.

    ``assets`` are the codes that a certificate may name.
    """
    certificates = tuple(_certificates(_Reader(raw, "certificate", problems), assets))
    licences = tuple(_licences(_Reader(raw, "licence", problems)))
    domains = tuple(_domains(_Reader(raw, "domain", problems)))
    return Listed(certificates, licences, domains)


def _certificates(reader: _Reader, assets: Collection[str]) -> Iterator[Certificate]:
    for table in reader.tables({"name", "host", "port", "servername", "asset"}):
        asset = table.line("asset", needed=False)
        if asset and asset not in assets:
            table.blame(f"asset {asset!r} is not in this file; mend the code or remove the line")
        yield Certificate(
            table.line("name"),
            table.host("host"),
            table.number("port", 443, 65535) or 443,
            table.host("servername", needed=False),
            asset,
        )


def _licences(reader: _Reader) -> Iterator[Licence]:
    for table in reader.tables({"name", "product", "expires", "owner", "seats"}):
        yield Licence(
            table.line("name"),
            table.line("product"),
            table.day("expires"),
            table.line("owner", needed=False),
            table.number("seats", None, 10_000_000),
        )


def _domains(reader: _Reader) -> Iterator[Domain]:
    for table in reader.tables({"name", "expires"}):
        yield Domain(table.host("name"), table.day("expires"))


@dataclass(frozen=True)
class _Table:
    """One table as it is read."""

    where: str
    raw: Mapping[str, Any]
    problems: list[str]

    def blame(self, what: str) -> None:
        self.problems.append(f"{self.where}: {what}")

    def line(self, key: str, *, needed: bool = True) -> str:
        value = self.raw.get(key)
        if value is None:
            if needed:
                self.blame(f"{key} is missing; add it")
            return ""
        if not isinstance(value, str) or not 0 < len(value.strip()) <= _TEXT_LIMIT:
            self.blame(f"{key} = {value!r} must be a text of 1 to {_TEXT_LIMIT} characters")
            return ""
        if not value.isprintable():
            self.blame(f"{key} = {value!r} holds characters that cannot be shown; remove them")
            return ""
        return value.strip()

    def host(self, key: str, *, needed: bool = True) -> str:
        value = self.line(key, needed=needed)
        if value and not _HOST.fullmatch(value):
            self.blame(
                f"{key} = {value!r} is no host name; write a name or an address in plain ASCII "
                "(an international domain in its xn-- form)"
            )
            return ""
        return value

    def number(self, key: str, default: int | None, most: int) -> int | None:
        value = self.raw.get(key, default)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            self.blame(f"{key} = {value!r}; use a whole number from 1 to {most}")
            return default
        return value

    def day(self, key: str) -> date:
        value = self.raw.get(key)
        if isinstance(value, str):
            try:
                return date.fromisoformat(value)
            except ValueError:
                value = None
        if isinstance(value, datetime):
            return value.date()
        if isinstance(value, date):
            return value
        found = f"{key} = {self.raw[key]!r}" if key in self.raw else f"{key} is missing"
        self.blame(f"{found}; write the last day as {key} = 2027-03-01")
        return date.max


class _Reader:
    """The tables of one kind; a name may stand only once."""

    def __init__(self, raw: Mapping[str, Any], kind: str, problems: list[str]) -> None:
        self._tables = raw.get(kind, [])
        self._kind = kind
        self._problems = problems

    def tables(self, keys: set[str]) -> Iterator[_Table]:
        if not isinstance(self._tables, list):
            mend = f"write [[{self._kind}]], not [{self._kind}]"
            self._problems.append(f"{self._kind}: must be a list of tables; {mend}")
            return
        seen: set[str] = set()
        for number, raw in enumerate(self._tables, 1):
            name = raw.get("name") if isinstance(raw, dict) else None
            named = isinstance(name, str) and bool(name)
            where = f"{self._kind} {name!r}" if named else f"{self._kind} number {number}"
            if not isinstance(raw, dict):
                mend = f"write [[{self._kind}]] above its keys"
                self._problems.append(f"{where}: must be a table; {mend}")
                continue
            table = _Table(where, raw, self._problems)
            for key in raw.keys() - keys:
                table.blame(f"unknown key {key!r}; known are {', '.join(sorted(keys))}")
            if named and str(name).strip().lower() in seen:
                table.blame("the name stands twice; give each its own")
            seen.add(str(name).strip().lower())
            yield table
