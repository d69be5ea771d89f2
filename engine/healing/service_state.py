"""What hosts answer to a look: read strictly, because it decides whether something is healthy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from prompts.texts import Text, text

_PROPERTY = re.compile(r"([A-Za-z]+)=([A-Za-z0-9_-]{1,40})", re.ASCII)
_RUNNING = frozenset({"running", "exited", "listening", "waiting", "mounted"})
"""Of an active unit. The last three: sockets, timers and mounts."""
_CONTAINER = re.compile(
    r"/?(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]*) (?P<status>[a-z]+)"
    r"(?: exit=(?P<exit>-?[0-9]{1,10}))?(?: oom=(?P<oom>true|false))?"
    r"(?: health=(?P<health>[a-z]+))?(?: restarts=(?P<restarts>[0-9]{1,9}))?(?: since=\S+)?",
    re.ASCII,
)
_GONE = re.compile(r"no such (container|object)", re.IGNORECASE)

_NO_DISKS = frozenset(
    ("tmpfs", "devtmpfs", "udev", "shm", "none", "cgroup", "efivarfs", "squashfs", "ramfs")
)
_NO_PLACES = ("/proc", "/sys", "/dev", "/run", "/snap")


@dataclass(frozen=True)
class Seen:
    """What an answer says. ``ok`` None: it could not be read."""

    ok: bool | None
    detail: Text
    restarts: int | None = None


def unit_state(output: str) -> Seen:
    """The state of a unit from ``systemctl show``."""
    found: dict[str, str] = {}
    for line in output.splitlines():
        match = _PROPERTY.fullmatch(line.strip())
        if match:
            found.setdefault(match[1], match[2])
    active, sub = found.get("ActiveState", ""), found.get("SubState", "")
    if not active or not sub:
        return Seen(None, text("probe_unreadable"))
    restarts = _number(found.get("NRestarts"))
    ok = active == "reloading" or (active == "active" and sub in _RUNNING)
    words = text(
        "probe_unit_state",
        active=active,
        sub=sub,
        result=found.get("Result", ""),
        restarts=restarts or 0,
    )
    return Seen(ok, words, restarts)


def container_state(output: str) -> Seen:
    """The state of a container from ``docker inspect`` in the format of service_status."""
    for line in output.splitlines():
        match = _CONTAINER.fullmatch(line.strip())
        if match:
            return _container(match)
    if _GONE.search(output):
        return Seen(False, text("probe_container_gone"))
    return Seen(None, text("probe_unreadable"))


def _container(match: re.Match[str]) -> Seen:
    status, health, oom = match["status"], match["health"] or "none", match["oom"] == "true"
    restarts = _number(match["restarts"])
    # A container without a health check says "none"; "starting" is not healthy yet.
    ok = status == "running" and health in ("none", "healthy")
    words = text(
        "probe_container_state",
        status=status,
        health="" if health == "none" else health,
        oom=oom,
        restarts=restarts or 0,
        exit=match["exit"] or "0",
    )
    return Seen(ok, words, restarts)


def disk_use(output: str, below_percent: float) -> Seen:
    """The fullest real file system from ``df -hP``."""
    rows = list(_file_systems(output))
    if not rows:
        return Seen(None, text("probe_unreadable"))
    percent, place = max(rows)
    words = text("probe_disk", place=place, percent=percent, limit=f"{below_percent:g}")
    return Seen(percent < below_percent, words)


def _file_systems(output: str) -> Iterator[tuple[int, str]]:
    for line in output.splitlines():
        columns = line.split(maxsplit=5)
        if len(columns) != 6 or not re.fullmatch(r"[0-9]{1,3}%", columns[4], re.ASCII):
            continue
        device, place = columns[0], columns[5]
        if device in _NO_DISKS or device.startswith(("/dev/loop", "/dev/sr")):
            continue
        if any(place == root or place.startswith(f"{root}/") for root in _NO_PLACES):
            continue
        # A container's view of a disk that is in the list already; as the root it is the disk.
        if device == "overlay" and place != "/":
            continue
        yield int(columns[4][:-1]), place[:120]


def _number(digits: str | None) -> int | None:
    return int(digits) if digits and digits.isascii() and digits.isdigit() else None
