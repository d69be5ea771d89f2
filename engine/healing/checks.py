"""A health check as it is configured: what is looked at, how often, and when it is reported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from engine.inventory import Asset, Inventory

KINDS = ("tcp", "http", "unit", "container", "disk")
ON_HOSTS = frozenset({"unit", "container", "disk"})
"""Kinds that are looked at over SSH, so that a host which is away says nothing about them."""
SEVERITIES = ("P1", "P2", "P3")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_ADDRESS = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:]{2,45}")


@dataclass(frozen=True)
class Check:
    """Something Watchstander looks at by itself, again and again. ``[[check]]``"""

    name: str
    """Its name on cards; letters, digits and . _ - only, each name once."""

    kind: str
    """tcp | http | unit (systemd) | container | disk"""

    asset: str = ""
    """Asset code of the inventory; needed for unit, container and disk, good to have for the
    others: playbooks act on the asset."""

    address: str = ""
    """tcp: host name or address; the asset's own when empty."""

    port: int = 0
    """tcp: the port."""

    url: str = ""
    """http: the address, http:// or https://, without a user name or password in it. Redirects
    are followed on the same host only."""

    status: tuple[int, ...] = ()
    """http: answers that are good; none given = 200 to 399."""

    contains: str = ""
    """http: words that the first 256 KiB of the page must hold; none = any page is good."""

    below_percent: float = 90.0
    """disk: every file system must be less full than this, in percent."""

    every_s: float = 60.0
    """Seconds from one look to the next."""

    timeout_s: float = 5.0
    """Seconds that a look may take."""

    failures: int = 3
    """Looks in a row that must go wrong before it is reported; one slow answer wakes nobody."""

    severity: str = "P2"
    """How bad it is: P1 | P2 | P3."""

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ValueError("; ".join(problems))


def _problems(check: Check) -> Iterator[str]:
    if not _NAME.fullmatch(check.name):
        yield f"name {check.name!r} cannot be used: give 1 to 64 letters, digits, . _ or -"
    if check.kind not in KINDS:
        yield f"kind {check.kind!r} is not known: use one of {', '.join(KINDS)}"
    if check.severity not in SEVERITIES:
        yield f"severity {check.severity!r} is not known: use one of {', '.join(SEVERITIES)}"
    if check.kind in ON_HOSTS and not check.asset:
        yield f"a check of kind {check.kind} needs an asset: add asset with its code"
    if check.kind == "tcp":
        yield from _tcp_problems(check)
    if check.kind == "http":
        yield from _http_problems(check)
    if not 0 < check.below_percent <= 100:
        yield f"below_percent {check.below_percent:g} is out of range: give more than 0 to 100"
    if check.timeout_s > check.every_s:
        yield "timeout_s is longer than every_s: a look must end before the next one begins"


def _tcp_problems(check: Check) -> Iterator[str]:
    if not check.port:
        yield "a check of kind tcp needs a port: add port"
    if not check.address and not check.asset:
        yield "a check of kind tcp needs an address or an asset: add one of them"
    if check.address and not _ADDRESS.fullmatch(check.address):
        yield f"address {check.address!r} is not valid: give a host name or an IP address"


def _http_problems(check: Check) -> Iterator[str]:
    try:
        parts = urlsplit(check.url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, good = urlsplit(""), False
    if not good or not check.url.isprintable() or " " in check.url:
        yield "a check of kind http needs a url: give one that begins with http:// or https://"
    if parts.username is not None or parts.password is not None:
        yield "url holds a user name or password: use an address that needs none"
    if any(not 100 <= status <= 599 for status in check.status):
        yield "status holds a number that is no HTTP status: give numbers from 100 to 599"


def check_problems(checks: Sequence[Check], inventory: Inventory) -> list[str]:
    """What is wrong with the checks beside the inventory: "place: what; the mend", one each."""
    problems = []
    for check in checks:
        asset = inventory.assets.get(check.asset)
        what = _asset_problem(check, asset)
        if check.asset and what:
            problems.append(f"[[check]] {check.name}: {what}")
    return problems


def _asset_problem(check: Check, asset: Asset | None) -> str:
    if asset is None:
        return f"asset {check.asset!r} is not in the inventory; mend the code or add the [[asset]]"
    if check.kind == "unit" and not asset.service:
        return f'{asset.code} is a container, not a systemd unit; use kind = "container"'
    if check.kind == "container" and not asset.container:
        return f'{asset.code} is a systemd unit, not a container; use kind = "unit"'
    return ""
