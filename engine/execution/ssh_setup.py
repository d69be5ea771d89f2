"""How hosts are reached: the settings, and what is wrong with them before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import asyncssh

from engine.inventory import Asset, Bastion, Inventory


@dataclass(frozen=True)
class SshSettings:
    """How hosts are reached."""

    known_hosts: Path
    """File of host keys in OpenSSH's format. There is no way to switch the check off."""

    key_file: Path | None = None
    """Private key for hosts whose assets name none; without a passphrase, mode 0600."""

    connect_timeout_s: float = 10.0
    """Seconds from the first packet to the end of the login; a bastion before it has its own."""

    command_timeout_s: float = 60.0
    """Seconds a command may take; after that its action is UNKNOWN. A slow stop needs its time."""

    host_timeout_s: float = 600.0
    """Seconds that one host may take for its login and all its commands: after that no further
    command of the action is begun there. One that runs keeps its own time."""

    output_cap: int = 64 * 1024
    """Bytes of output kept per command, the first and the last half; the rest is counted only."""

    parallel: int = 50
    """Hosts on which commands run at the same time, for all actions together."""

    connecting: int = 200
    """Hosts whose answer and login is waited for at the same time; they take no place of those
    above, so that a host which is away delays no other."""

    handshakes: int = 20
    """Logins under way at the same time: each costs about a millisecond of one core."""

    kept: int = 100
    """Connections kept open for the next command, for all hosts together; 0 = none."""

    idle_s: float = 300.0
    """Seconds without use after which a kept connection is closed."""

    per_bastion: int = 8
    """Hosts reached through one connection to a bastion; for more another one is opened."""

    def __post_init__(self) -> None:
        for name in ("parallel", "connecting", "handshakes", "per_bastion"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: at least 1")
        if self.kept < 0:
            raise ValueError(f"kept = {self.kept}: at least 0")
        for name in ("connect_timeout_s", "command_timeout_s", "host_timeout_s", "idle_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} = {getattr(self, name)}: more than 0 seconds")


class SshSetupError(Exception):
    """The runner cannot start. ``problems`` holds "where: what; the mend", one each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def setup_problems(settings: SshSettings, inventory: Inventory) -> list[str]:
    """Everything for which the runner refuses to start."""
    problems = []
    place = settings.known_hosts
    try:
        asyncssh.read_known_hosts(str(place))
    except FileNotFoundError:
        problems.append(f"{place}: no such file; make it with ssh-keyscan and compare the keys")
    except (OSError, ValueError) as error:
        problems.append(f"{place}: cannot be read as known_hosts: {error}; mend that line")
    doors: list[Asset | Bastion] = [*inventory.assets.values(), *inventory.bastions.values()]
    own = {Path(door.key) for door in doors if door.key}
    for key in sorted(own | ({settings.key_file} if settings.key_file else set())):
        try:
            asyncssh.read_private_key(str(key))
        except (OSError, ValueError) as error:
            problems.append(f"{key}: not a usable private key: {error}; mend the path or the key")
    keyless = [door.code for door in doors if not door.key]
    if keyless and settings.key_file is None:
        problems.append(f"key_file: not set, and {keyless[0]} names no key; set one of them")
    return problems


def missing_host_keys(settings: SshSettings, inventory: Inventory) -> list[str]:
    """Hosts that would be refused for want of a key in known_hosts, with the mend, for `check`."""
    known = asyncssh.read_known_hosts(str(settings.known_hosts))
    doors: list[Asset | Bastion] = [*inventory.bastions.values(), *inventory.assets.values()]
    places = {(door.address or door.host, door.port): door.code for door in doors}
    return [
        f"{settings.known_hosts}: no key for {address} port {port} ({code});"
        f" run ssh-keyscan -p {port} {address} and compare it with the host"
        for (address, port), code in places.items()
        if not any(known.match(address, "", port)[:2])
    ]
