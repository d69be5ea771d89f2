"""The stage of the attacks: the whole product with five kinds of rooms, and people of every kind.

``dialled``: the bot calls Slack (Socket Mode) and Telegram (long polling).
``called``: Slack and Telegram call the bot (signed requests, webhook with a secret).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import sqlalchemy as sa
from aiohttp import web

from storage import actions, inbox, outbox
from storage.actions import Action
from storage.lifecycle import State
from storage.tables import audit, buttons, metadata, rooms
from storage.tables import outbox as outbox_table
from tests.acceptance.world import SLACK_ROOM, TELEGRAM_ROOM, World

MODES = ("dialled", "called")
MESSENGER_SECRET = "canary-messenger-secret-0123456789"
TELEGRAM_SECRET = "a-secret-of-the-webhook"
SCRIPT = b"#!/bin/sh\necho rotate\n"

#: Beyond min (REQUESTER), jun (ENGINEER) and ana (ADMIN).
CROWD = (("robot", "AGENT"), ("bob", "ADMIN"), ("lee", "REQUESTER"))

#: States in which a runner may take an action, or has taken it.
RUNNABLE = frozenset(
    {State.APPROVED, State.QUEUED, State.RUNNING, State.SUCCEEDED, State.FAILED, State.UNKNOWN}
)


class Stage(World):
    """A World with a messenger, registered scripts and rooms that nobody listed."""

    #: What a client sees when the server closes the door in the middle of its body.
    connection_errors = (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError)

    def __init__(self, folder: Path, mode: str, model: str = "") -> None:
        super().__init__(folder, crowd=CROWD, pushed=mode == "called")
        self.mode = mode
        self.model = model  #: the [model] table, as TOML
        self.http: httpx.AsyncClient
        self.messenger: list[dict[str, Any]] = []  #: what the messenger was sent
        self._messenger: web.AppRunner | None = None
        self._tokens: dict[str, str] = {}
        self._waiting: dict[tuple[str, str], int] = {}

    async def __aenter__(self) -> Self:
        self.messenger_url = await self._listen()
        await super().__aenter__()
        if self.mode == "called":
            self.slack.deliver_to(f"{self.address}/slack/events")
        assert self.app.telegram is not None
        # One message a second is Telegram's pace; here hundreds are said, and nobody counts.
        self.app.telegram.per_room_interval = 0.01
        self.http = httpx.AsyncClient(base_url=self.address, trust_env=False, timeout=20)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.http.aclose()
        await super().__aexit__(kind, error, trace)
        assert self._messenger is not None
        await self._messenger.cleanup()

    async def _listen(self) -> str:
        async def take(request: web.Request) -> web.Response:
            self.messenger.append(await request.json())
            return web.Response()

        app = web.Application(client_max_size=20_000_000)
        app.router.add_post("/hook", take)
        self._messenger = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._messenger.setup()
        site = web.TCPSite(self._messenger, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._messenger.addresses[0][1]}/hook"

    def _furnish(self) -> None:
        super()._furnish()
        self.telegram.group(-1002, "elsewhere")
        self.slack.channel("C2", "elsewhere", members=["UMIN", "UANA"])
        self.slack.channel("G3", "few", members=["UMIN", "UANA"], kind="mpim")
        scripts = self.folder / "scripts"
        scripts.mkdir(exist_ok=True)
        self.write_script(SCRIPT)

    def write_script(self, content: bytes, *, register: bool = True) -> None:
        """Put rotate.sh into the scripts folder; unregistered, its old hash stays listed."""
        scripts = self.folder / "scripts"
        (scripts / "rotate.sh").write_bytes(content)
        if register:
            digest = hashlib.sha256(content).hexdigest()
            (scripts / "SHA256SUMS").write_text(f"{digest}  rotate.sh\n")

    def _config(self) -> str:
        config = super()._config()
        for name, *_ in self.people:
            config = config.replace(
                f'name = "{name}"\n', f'name = "{name}"\nmessenger = "talk/{name}"\n'
            )
        return (
            f'{config}\n[[room]]\naddress = "messenger:talk/ops"\nlanguage = "en"\n'
            f'webhook_url = "{self.messenger_url}"\n'
            f'[messenger.talk]\nsecret = "{MESSENGER_SECRET}"\n'
            f'[plan]\nscripts = "scripts"\n{self.model}'
        )

    # What happened

    async def settled(self, seconds: float = 15, *, told: bool = False) -> None:
        """Wait until what came in is handled and what runs has ended (``told``: and was told)."""
        deadline = time.monotonic() + seconds
        quiet = 0
        while quiet < 2:
            assert time.monotonic() < deadline, f"no rest: {await self._unrest()}"
            quiet = quiet + 1 if await self._quiet(told) else 0
            await asyncio.sleep(0.02)

    async def _quiet(self, told: bool) -> bool:
        if self._unfetched():
            return False
        async with self.app.db.read() as tx:
            if await inbox.count_waiting(tx) or (told and await outbox.count_waiting(tx)):
                return False
            moving = [State.QUEUED, State.APPROVED, State.RUNNING]
            return not await actions.listing(tx, states=moving)

    async def _unrest(self) -> str:
        """What still waits, for the message of a failed test."""
        async with self.app.db.read() as tx:
            rows = await tx.all(sa.select(outbox_table).where(outbox_table.c.state == "WAITING"))
            kept = await inbox.waiting(tx, 5)
            left = await inbox.count_waiting(tx)  # more than ``kept``: some met an error inside
        waiting = [(row.room_id, row.kind, row.attempts, row.error) for row in rows[:5]]
        unread = self.telegram.updates.pending[:3]
        return f"{len(rows)} unsent {waiting}; {left} unhandled, due {kept}; unread {unread}"

    def _unfetched(self) -> bool:
        """Whether Telegram holds updates that the bot has not confirmed."""
        return bool(self.telegram.updates.pending)

    async def all_actions(self) -> list[Action]:
        """Every action, oldest first."""
        async with self.app.db.read() as tx:
            return await actions.listing(tx, limit=10_000, oldest_first=True)

    async def action(self, number: int) -> Action:
        async with self.app.db.read() as tx:
            found = await actions.by_id(tx, number)
        assert found is not None
        return found

    async def moves(self, number: int) -> list[str]:
        """The audit rows of an action, oldest first, without their prefix."""
        async with self.app.db.read() as tx:
            rows = await tx.all(
                sa.select(audit.c.kind)
                .where(audit.c.subject == f"action:{number}")
                .order_by(audit.c.seq)
            )
        return [str(row.kind).removeprefix("action.") for row in rows]

    async def counts(self) -> dict[str, int]:
        """Rows of every table that an event can change, except for what was said and answered."""
        quiet = {"inbox", "outbox", "messages", "rooms", "counters", "tokens", "buttons", "cards"}
        async with self.app.db.read() as tx:
            found = {}
            for name, table in metadata.tables.items():
                if name not in quiet:
                    row = await tx.one(sa.select(sa.func.count()).select_from(table))
                    found[name] = int(row[0]) if row else 0
        return found

    async def inbox_rows(self) -> int:
        async with self.app.db.read() as tx:
            row = await tx.one(sa.select(sa.func.count()).select_from(metadata.tables["inbox"]))
        return int(row[0]) if row else 0

    async def answers(self) -> list[tuple[str, dict[str, Any]]]:
        """Everything that was said so far: its kind and its packed words, oldest first."""
        async with self.app.db.read() as tx:
            rows = await tx.all(sa.select(outbox_table).order_by(outbox_table.c.id))
        return [(row.kind, json.loads(row.body)) for row in rows]

    async def bearer(self, name: str) -> dict[str, str]:
        """The header of a person's API token."""
        if name not in self._tokens:
            self._tokens[name] = await self.token(name)
        return {"Authorization": f"Bearer {self._tokens[name]}"}

    async def propose(self, name: str = "min", target: str = "PAY-WAS-01", **more: Any) -> Action:
        """An action by REST that waits for approval."""
        body = {"action_type": "server_restart", "targets": [target], "params": {}} | more
        answer = await self.http.post("/api/auto/queue", json=body, headers=await self.bearer(name))
        assert answer.status_code == 201, answer.text
        return await self.action(answer.json()["id"])

    async def tokens(self, number: int, way: str = "") -> dict[str, str]:
        """Platform → the newest token to approve there; waits for all rooms, or for one."""
        query = (
            sa.select(rooms.c.platform, buttons.c.token)
            .join(rooms, rooms.c.id == buttons.c.room_id)
            .where(buttons.c.verb == "approve", buttons.c.payload.contains(f'"action": {number},'))
            .order_by(buttons.c.id)
        )
        deadline = time.monotonic() + 15
        while True:
            async with self.app.db.read() as tx:
                found = {row.platform: row.token for row in await tx.all(query)}
            if way in found or len(found) == 4:
                return found
            assert time.monotonic() < deadline, f"#{number} has tokens in {list(found)} only"
            await asyncio.sleep(0.02)

    async def waiting(self, name: str = "min", target: str = "PAY-WAS-01") -> Action:
        """An action that waits for approval with its cards in every room; shared by many tests."""
        known = self._waiting.get((name, target))
        if known is not None:
            action = await self.action(known)
            if action.state is State.PENDING_APPROVAL:
                return action
        action = await self.propose(name, target)
        self._waiting[name, target] = action.id
        return action

    async def until(self, check: Callable[[], Any], what: str, seconds: float = 15) -> Any:
        """Wait until ``check()`` gives something."""
        deadline = time.monotonic() + seconds
        while not (found := check()):
            assert time.monotonic() < deadline, what
            await asyncio.sleep(0.02)
        return found

    # Cards in the rooms

    async def slack_card(self, number: int) -> Any:
        def find() -> Any:
            shown = self.slack.screen(SLACK_ROOM)
            return next((m for m in shown if f"#{number} " in m.title), None)

        return await self.until(find, f"no card #{number} in Slack")

    async def telegram_card(self, number: int) -> Any:
        def find() -> Any:
            shown = self.telegram.cards(TELEGRAM_ROOM)
            return next((m for m in shown if m.rows and f"#{number} " in m.text[:80]), None)

        return await self.until(find, f"no card #{number} in Telegram")
