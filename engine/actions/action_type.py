"""What an action type is: its name, its parameters, and how it becomes steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from engine.actions.scripts import Scripts
from engine.actions.slots import CONTAINER, UNIT, Slot
from engine.inventory import Asset, Bastion, Inventory
from engine.plan import Step


class On(Enum):
    """What the targets of an action are."""

    ASSETS = "assets"  #: asset codes of the inventory
    REQUESTS = "requests"  #: keys of service requests; nothing is run on a host


@dataclass(frozen=True)
class Context:
    """What steps are built from besides the targets and parameters."""

    inventory: Inventory
    scripts: Scripts
    log_roots: tuple[str, ...]
    ssh_user: str

    def asset(self, code: str) -> Asset:
        return self.inventory.assets[code]

    def login(self, door: Asset | Bastion) -> str:
        """The user name that Watchstander has on a host."""
        return door.user or self.ssh_user

    def endpoint(self, asset: Asset) -> str:
        """user@address:port, and " via user@address:port" when it lies behind a bastion."""
        place = self._place(asset)
        return (
            f"{place} via {self._place(self.inventory.bastions[asset.via])}" if asset.via else place
        )

    def _place(self, door: Asset | Bastion) -> str:
        """user@address:port; an IPv6 address stands in brackets."""
        address = door.address or door.host
        if ":" in address:
            address = f"[{address}]"
        return f"{self.login(door)}@{address}:{door.port}"

    def step(
        self,
        asset: Asset,
        argv: Sequence[str],
        *,
        under: tuple[str, ...] = (),
        upload: str = "",
    ) -> Step:
        """One argv on the asset's host."""
        return Step(asset.code, asset.host, self.endpoint(asset), tuple(argv), under, upload)


Slots = Mapping[str, tuple[Slot, Any]]
Build = Callable[[Sequence[str], Mapping[str, Any], Context], tuple[Step, ...]]


def _no_slots(_: Context) -> Slots:
    return {}


@dataclass(frozen=True)
class ActionType:
    """One type of action that has a runner."""

    name: str
    build: Build
    """Targets (known, unique), parameters (canonical) and context → steps. Raises GiveUp."""
    slots: Callable[[Context], Slots] = field(default=_no_slots)
    """Parameter name → slot and default, see slots.read_params."""
    on: On = On.ASSETS
    changes: bool = True
    """Whether it leaves a host other than it was. What only reads goes to all hosts at once."""


def each(
    argv: Callable[[Asset], Sequence[str]],
) -> Build:
    """One step per asset."""

    def build(targets: Sequence[str], _: Mapping[str, Any], context: Context) -> tuple[Step, ...]:
        assets = [context.asset(code) for code in targets]
        return tuple(context.step(asset, argv(asset)) for asset in assets)

    return build


def each_host(
    argv: Callable[[Asset, Mapping[str, Any], Context], Sequence[str]],
) -> Build:
    """One step per host, in the name of its first target: the host has one disk and one memory."""

    def build(
        targets: Sequence[str], params: Mapping[str, Any], context: Context
    ) -> tuple[Step, ...]:
        assets = first_on_each_host(targets, context)
        return tuple(context.step(asset, argv(asset, params, context)) for asset in assets)

    return build


def first_on_each_host(targets: Sequence[str], context: Context) -> list[Asset]:
    """The first target of every host, in the order given."""
    first: dict[str, Asset] = {}
    for code in targets:
        asset = context.asset(code)
        first.setdefault(asset.host, asset)
    return list(first.values())


def unit(asset: Asset) -> str:
    """The asset's systemd unit, fit for an argv. Raises GiveUp."""
    return UNIT.read(asset.service, f"{asset.code}.service")


def container(asset: Asset) -> str:
    """The asset's container, fit for an argv. Raises GiveUp."""
    return CONTAINER.read(asset.container, f"{asset.code}.container")


def service_verb(verb: str) -> Build:
    """``systemctl VERB`` for a unit, ``docker VERB`` for a container."""

    def argv(asset: Asset) -> list[str]:
        if asset.container:
            return ["docker", verb, "--", container(asset)]
        return ["systemctl", verb, "--", unit(asset)]

    return each(argv)
