"""The whole product on a stage: the real bot, real SSH to simulated hosts, and the three rooms.

Slack and Telegram are strict doubles at the network's edge; everything between a person's words and
a host's ledger is the product.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bot.app import App
from bot.serving import serve
from bot.settings import load_settings
from engine.execution.demo_hosts import DemoHosts
from engine.inventory import load_inventory
from storage import people, tokens
from tests.acceptance.seats import SlackSeat, TelegramSeat
from tests.acceptance.transcript import Seat
from tests.conftest import FakeClock
from tests.doubles.slack import SlackDouble
from tests.doubles.telegram import TelegramDouble

INVENTORY = """
[[institution]]
code = "KR"
names = ["한국결제원", "결제원", "Korea Pay"]
[[institution]]
code = "TW"
names = ["台灣購物", "Taiwan Shop"]
[[system]]
code = "PAY"
institution = "KR"
names = ["결제시스템", "payment system", "支付系統"]
[[system]]
code = "SHOP"
institution = "TW"
names = ["購物網", "쇼핑몰", "shop"]
"""

ASSETS = (
    # code, system, layer, environment, host, what runs there
    ("PAY-WAS-01", "PAY", "WAS", "PRD", "pay-was-01", 'service = "tomcat"'),
    ("PAY-DB-01", "PAY", "DB", "PRD", "pay-db-01", 'service = "postgresql"'),
    ("PAY-STG-01", "PAY", "WAS", "STG", "pay-stg-01", 'service = "tomcat"'),
    ("SHOP-APP", "SHOP", "WAS", "STG", "shop-host", 'container = "shop-app"'),
)

#: name, role, language, Slack user, Telegram user
PEOPLE = (
    ("min", "REQUESTER", "ko", "UMIN", 111),
    ("jun", "ENGINEER", "zh-TW", "UJUN", 222),
    ("ana", "ADMIN", "en", "UANA", 333),
)

SLACK_ROOM, TELEGRAM_ROOM, WEB_ROOM = "C1", -1001, "ops"


class World:
    """Everything, in one folder. ``crowd`` are further (name, role) pairs, in every room.

    ``pushed``: Slack and Telegram deliver by HTTP (signed events, webhook) instead of being asked.
    ``config`` stands at the end of the configuration.
    """

    def __init__(
        self,
        folder: Path,
        *,
        crowd: tuple[tuple[str, str], ...] = (),
        database: str = "sqlite+aiosqlite:///watchstander.db",
        pushed: bool = False,
        config: str = "",
        second_factor: str = "off",
    ) -> None:
        self.folder = folder
        self.database = database
        self.pushed = pushed
        self.more = config
        self.second_factor = second_factor
        self.clock = FakeClock()
        self.slack = SlackDouble()
        self.telegram = TelegramDouble()
        self.people = [*PEOPLE] + [
            (name, role, "en", f"U{name.upper()}", 1000 + number)
            for number, (name, role) in enumerate(crowd)
        ]
        self.languages = {name: language for name, _, language, _, _ in self.people}
        self.seats: dict[str, Seat] = {}
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.app: App
        self._stop = asyncio.Event()
        self._task: asyncio.Task[int] | None = None

    async def __aenter__(self) -> Self:
        await self.slack.start()
        await self.telegram.__aenter__()
        self._furnish()
        if self.pushed:
            self.slack.deliver_to(f"{self.address}/slack/events")
        file = self.folder / "inventory.toml"
        file.write_text(_inventory({}), encoding="utf-8")
        self.hosts = DemoHosts(load_inventory(file), self.folder / "hosts")
        await self.hosts.start()
        file.write_text(_inventory(self.hosts.ports), encoding="utf-8")
        self.config = self.folder / "config.toml"
        self.config.write_text(self._config(), encoding="utf-8")
        await self.start_bot()
        self.seats = {
            "slack": SlackSeat(self.slack, SLACK_ROOM, {p[0]: p[3] for p in self.people}),
            "telegram": TelegramSeat(
                self.telegram, TELEGRAM_ROOM, {p[0]: p[4] for p in self.people}
            ),
        }
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop_bot()
        await self.hosts.stop()
        await self.telegram.__aexit__()
        await self.slack.stop()

    async def start_bot(self) -> None:
        """Start the product, in this process."""
        ready = asyncio.get_running_loop().create_future()

        async def started(app: App, _: str) -> None:
            ready.set_result(app)

        self._stop = asyncio.Event()
        settings = load_settings(self.config)
        self._task = asyncio.create_task(serve(settings, started, self._stop, self.clock))
        await asyncio.wait({ready, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            self._task.result()
        self.app = ready.result()

    async def stop_bot(self) -> None:
        """Stop it in order."""
        if self._task is not None:
            self._stop.set()
            assert await self._task == 0
            self._task = None

    def ledger(self) -> list[str]:
        """Every command that reached a host, as "host argv"."""
        if not self.hosts.ledger.exists():
            return []
        lines = self.hosts.ledger.read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        return [f"{row['host']} {shlex.join(row['argv'])}" for row in rows]

    async def wait_minutes(self, minutes: int) -> None:
        """Let time pass, and let the bot notice."""
        self.clock.forward(minutes=minutes)
        await self.app.watch.run_once()

    async def token(self, name: str, kind: str = "api") -> str:
        """A token for a person: "api" for REST, "signin" for a browser."""
        async with self.app.db.write() as tx:
            person = await people.by_name(tx, name)
            assert person is not None
            return await tokens.create(tx, person.id, kind, 3_600_000)

    def _furnish(self) -> None:
        self.slack.channel(SLACK_ROOM, "ops", members=[p[3] for p in self.people])
        self.telegram.group(TELEGRAM_ROOM, "ops")
        self.telegram.pace.on = False

    def _config(self) -> str:
        listed = "\n".join(
            f'[[person]]\nname = "{name}"\nrole = "{role}"\nlanguage = "{language}"\n'
            f'slack = "T1/{slack}"\ntelegram = {telegram}'
            for name, role, language, slack, telegram in self.people
        )
        return f"""
[database]
url = "{self.database}"
synchronous = "NORMAL"
[inventory]
file = "inventory.toml"
[ssh]
known_hosts = "hosts/known_hosts"
key_file = "hosts/id_ed25519"
command_timeout_s = 5.0
[approvals]
second_factor = "{self.second_factor}"
[web]
port = {self.port}
[slack]
bot_token = "{self.slack.bot_token}"
app_token = "{self.slack.app_token}"
signing_secret = "{self.slack.signing_secret}"
api_url = "{self.slack.api_url}"
mode = "{"http" if self.pushed else "socket"}"
per_room_interval = 0.001
[telegram]
token = "{self.telegram.token}"
api_url = "{self.telegram.api_url}"
mode = "{"webhook" if self.pushed else "polling"}"
webhook_url = "{f"{self.address}/telegram/webhook" if self.pushed else ""}"
webhook_secret = "a-secret-of-the-webhook"
poll_seconds = 1
per_minute_in_group = 1000
[[room]]
address = "slack:T1/{SLACK_ROOM}"
language = "en"
[[room]]
address = "telegram:{TELEGRAM_ROOM}"
language = "ko"
[[room]]
address = "web:{WEB_ROOM}"
language = "zh-TW"
[[room]]
address = "web:approvals"
cards = false
approvals = true
{listed}
{self.more}
"""


def _inventory(ports: dict[str, Any]) -> str:
    found = [INVENTORY]
    for code, system, layer, environment, host, runs in ASSETS:
        place = f'address = "127.0.0.1"\nport = {ports[host]}\n' if ports else ""
        found.append(
            f'[[asset]]\ncode = "{code}"\nsystem = "{system}"\nlayer = "{layer}"\n'
            f'environment = "{environment}"\nhost = "{host}"\n{place}{runs}\n'
        )
    return "".join(found)
