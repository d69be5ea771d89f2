"""config.toml → one small frozen object per concern. Everything that is wrong is told at once."""

from __future__ import annotations

import dataclasses
import os
import tomllib
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bot.settings_people as listed
from bot.platforms.messenger.settings import MessengerSettings
from bot.platforms.slack.settings import SlackSettings
from bot.platforms.telegram.settings import TelegramSettings
from bot.platforms.web.settings import WebSettings
from bot.readiness import HealthSettings
from bot.roles import ReplicaSettings
from bot.settings_checks import read_checks
from bot.settings_nudges import read_nudges
from bot.settings_reading import Source, blame_unknown, read
from engine.approvals.settings import ApprovalSettings
from engine.audit import AuditSettings
from engine.cycle import CycleSettings
from engine.execution.dispatch import DispatchSettings
from engine.execution.ssh import SshSettings
from engine.healing.checks import Check
from engine.healing.settings import HealSettings
from engine.incidents.reports import ReportSettings
from engine.knowledge.settings import KnowledgeSettings
from engine.language.model import ModelSettings
from engine.nudges import NudgeRule, NudgeSettings
from engine.planning import PlanSettings
from engine.requests.desk import DeskSettings
from engine.upkeep.settings import UpkeepSettings
from storage import address
from storage.database import DatabaseSettings
from storage.people import Listing
from storage.rooms import RoomListing


@dataclass(frozen=True)
class TeamSettings:
    """What the whole team shares."""

    time_zone: str = ""
    """Zone that times are shown in, e.g. Asia/Seoul or Asia/Taipei; "" = this machine's own."""

    def __post_init__(self) -> None:
        if self.time_zone and self.time_zone not in zoneinfo.available_timezones():
            raise ValueError(
                f"time_zone {self.time_zone!r} is no zone's name; write one such as Asia/Seoul"
            )


@dataclass(frozen=True)
class InventorySettings:
    """What can be acted on."""

    file: Path = Path("inventory.toml")
    """Institutions, systems and assets (TOML)."""


@dataclass(frozen=True)
class PolicySettings:
    """What needs whose approval."""

    file: Path | None = None
    """TOML laid over the shipped table of action types and levels; none = the shipped table."""


@dataclass(frozen=True)
class MessengerSource:
    """Another messenger, one table per source: ``[messenger.NAME]``."""

    secret: str = field(repr=False)
    """What it sends as ``Authorization: Bearer …``. A secret."""


@dataclass(frozen=True)
class Settings:
    """Everything config.toml says."""

    path: Path
    """The file itself."""

    team: TeamSettings
    database: DatabaseSettings
    inventory: InventorySettings
    policy: PolicySettings
    people: tuple[Listing, ...]
    rooms: tuple[RoomListing, ...]
    web: WebSettings
    slack: SlackSettings | None
    """None = not connected."""
    telegram: TelegramSettings | None
    """None = not connected."""
    messenger: MessengerSettings | None
    """None = not connected."""
    model: ModelSettings
    plan: PlanSettings
    ssh: SshSettings
    runner: DispatchSettings
    approvals: ApprovalSettings
    sla: DeskSettings
    cycle: CycleSettings
    audit: AuditSettings
    incidents: ReportSettings
    heal: HealSettings
    knowledge: KnowledgeSettings
    checks: tuple[Check, ...]
    nudges: NudgeSettings
    nudge_rules: tuple[NudgeRule, ...]
    upkeep: UpkeepSettings
    replica: ReplicaSettings
    health: HealthSettings


SECTIONS: Mapping[str, type] = {
    "team": TeamSettings,
    "database": DatabaseSettings,
    "inventory": InventorySettings,
    "policy": PolicySettings,
    "web": WebSettings,
    "model": ModelSettings,
    "plan": PlanSettings,
    "ssh": SshSettings,
    "runner": DispatchSettings,
    "approvals": ApprovalSettings,
    "sla": DeskSettings,
    "cycle": CycleSettings,
    "audit": AuditSettings,
    "incidents": ReportSettings,
    "heal": HealSettings,
    "knowledge": KnowledgeSettings,
    "nudges": NudgeSettings,
    "upkeep": UpkeepSettings,
    "replica": ReplicaSettings,
    "health": HealthSettings,
}
"""Tables that are always there: a missing one means its defaults."""

OPTIONAL: Mapping[str, type] = {"slack": SlackSettings, "telegram": TelegramSettings}
"""Tables that switch something on."""

_OTHERS = ("messenger", "person", "room", "check", "nudge")


class SettingsError(Exception):
    """The configuration cannot be used. ``problems`` holds "place: what; the mend", one each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load_settings(path: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read a configuration. Raises SettingsError with everything that is wrong in it.

    Opens no file but the configuration and the ``*_file`` secrets that it names; what the other
    files hold is looked at by ``bot.commandline.check``.
    """
    path = path.absolute()
    raw = _toml(path)
    source = Source(path, os.environ if environ is None else environ)
    blame_unknown(raw, "", [*SECTIONS, *OPTIONAL, *_OTHERS], source)
    parts: dict[str, Any] = {
        name: read(cls, raw.get(name, {}), f"[{name}]", source) for name, cls in SECTIONS.items()
    }
    for name, cls in OPTIONAL.items():
        parts[name] = read(cls, raw[name], f"[{name}]", source) if name in raw else None
    parts["people"] = listed.read_people(raw.get("person", []), source)
    parts["rooms"], urls = listed.read_rooms(raw.get("room", []), source)
    parts["checks"] = read_checks(raw.get("check", []), source)
    parts["nudge_rules"] = read_nudges(raw.get("nudge", []), source)
    messenger = _messenger(raw.get("messenger"), urls, source)
    parts["messenger"] = messenger
    platforms = ["web", "messenger", *(name for name in OPTIONAL if name in raw)]
    sources = messenger.secrets if messenger else ()
    listed.check_platforms(parts["rooms"], parts["people"], platforms, sources, source)
    if parts["database"] is not None:
        parts["database"] = _database(parts["database"], source)
    if source.problems:
        raise SettingsError(source.problems)
    return Settings(path=path, **parts)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problem = "no such file; copy config.example.toml there, or give another with --config"
    except tomllib.TOMLDecodeError as error:
        problem = f"not TOML: {error}; mend that line"
    except UnicodeDecodeError:
        problem = "not UTF-8; save it as UTF-8"
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    raise SettingsError([f"{path}: {problem}"])


def _messenger(raw: object, urls: Mapping[str, str], source: Source) -> MessengerSettings | None:
    """``[messenger]`` and its ``[messenger.SOURCE]`` tables as one object."""
    if raw is None:
        return None
    if not isinstance(raw, Mapping):
        source.blame("[messenger]", "expected a table; write [messenger.NAME] on its own line")
        return None
    plain = {key: value for key, value in raw.items() if not isinstance(value, Mapping)}
    settings = read(MessengerSettings, plain, "[messenger]", source)
    secrets: dict[str, str] = {}
    for name, table in raw.items():
        if isinstance(table, Mapping):
            place = f"[messenger.{name}]"
            one = read(MessengerSource, table, place, source)
            if one is not None and not one.secret:
                source.blame(f"{place} secret", "is empty: anybody could speak; make it long")
            secrets[name] = one.secret if one else ""
    if settings is None:
        return None
    return dataclasses.replace(settings, secrets=secrets, webhook_urls=dict(urls))


def _database(settings: DatabaseSettings, source: Source) -> DatabaseSettings:
    """With a SQLite file's path as the configuration means it."""
    if settings.synchronous not in ("FULL", "NORMAL"):
        source.blame("[database] synchronous", "is neither FULL nor NORMAL; choose one")
    problem = address.problem(settings.url)
    if problem:
        source.blame("[database] url", problem)
        return settings
    return dataclasses.replace(settings, url=address.beside(settings.url, source.path.parent))
