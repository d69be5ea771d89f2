"""What a frame does: it is kept for the bot, shown in the room, or relayed to an agent.

The order is: the message row, the inbox row, the other viewers, the acknowledgement.  The bot
may answer as soon as the inbox row is there, so the words it answers must stand above the answer.
Viewers on other processes are told with the message row itself.
"""

from __future__ import annotations

from typing import Any

from bot.platforms.port import Keep
from bot.platforms.web.across import Across
from bot.platforms.web.frames import Malformed, Pressed, Said, fingerprint
from bot.platforms.web.hub import Connection, Hub
from prompts.texts import Text, say, text
from storage import messages, people
from storage.database import Database
from storage.messages import Added, SenderType
from storage.people import Role

SOURCE = "web"
HUMAN_TYPES = ("CHAT", "COMMAND")
AGENT_TYPES = ("CHAT", "NOTICE", "TASK_STARTED", "TASK_PROGRESS", "TASK_FINISHED", "ERROR")


class NotKept(Exception):
    """The delivery could not be written down, so it must not be acknowledged."""


class Conversation:
    """Carries out frames, one connection's at a time and in order."""

    def __init__(self, db: Database, hub: Hub, across: Across, keep: Keep, bot_name: str) -> None:
        self._db = db
        self._hub = hub
        self._across = across
        self._keep = keep
        self._bot_mention = f"@{bot_name.lower()}"

    async def take(self, connection: Connection, frame: Said | Pressed) -> dict[str, Any]:
        """Carry out a frame and give its acknowledgement.

        Raises Malformed when it is refused and NotKept when it may be sent again.
        """
        if isinstance(frame, Pressed):
            return await self._press(connection, frame)
        allowed = AGENT_TYPES if connection.agent else HUMAN_TYPES
        if frame.msg_type not in allowed:
            reason = text("web_error_msg_type", allowed=", ".join(allowed))
            raise Malformed(reason, frame.id)
        if connection.agent:
            return await self._report(connection, frame)
        line = frame.content
        if frame.msg_type == "COMMAND" and not line.startswith("/"):
            line = f"/{line}"
        agent, words = await self._addressed_agent(line)
        if agent:
            return await self._relay(connection, frame, agent, words)
        return await self._say(connection, frame, line)

    async def _say(self, connection: Connection, frame: Said, line: str) -> dict[str, Any]:
        command = line.startswith("/")
        body = {"msg_type": "COMMAND" if command else "CHAT", "content": line}
        added = await self._write(connection, frame, SenderType.HUMAN, body)
        words = self._without_mention(line)
        said = added.message.key
        raw = {"type": "say", "text": words, "said": said, "open": words == line}
        try:
            new = await self._hand_in(connection, frame, raw)
        except NotKept:
            await self._withdraw(added)
            raise
        return self._acknowledge(frame, added, repeated=not new)

    async def _press(self, connection: Connection, frame: Pressed) -> dict[str, Any]:
        if connection.agent:
            raise Malformed(text("web_error_agent_press"), frame.id)
        async with self._db.read() as tx:
            message = await messages.by_key(tx, frame.message_id)
        if (
            message is None
            or message.room_id != connection.room.id
            or not message.visible_to(connection.person.id)
        ):
            raise Malformed(text("web_error_no_message"), frame.id)
        # A button that is gone meanwhile goes on as a plain press: the answer tells what happened.
        button = message.button(frame.token) or {}
        coded = button.get("may_want_code")
        raw = {
            "type": "press",
            "message_id": frame.message_id,
            "command_code": button.get("token", frame.token),
            "reason": frame.reason,
            "form": bool(frame.reason and (button.get("wants_reason") or coded)),
        }
        new = await self._hand_in(connection, frame, raw)
        return {"type": "ack", "id": frame.id, "repeated": not new, "message_id": message.key}

    async def _report(self, connection: Connection, frame: Said) -> dict[str, Any]:
        body: dict[str, Any] = {"msg_type": frame.msg_type, "content": frame.content}
        if frame.metadata:
            body["itsm_metadata"] = dict(frame.metadata)
        added = await self._write(connection, frame, SenderType.AGENT, body)
        return self._acknowledge(frame, added, repeated=not added.fresh)

    async def _relay(
        self, connection: Connection, frame: Said, agent: str, words: str
    ) -> dict[str, Any]:
        body = {"msg_type": "COMMAND", "content": words, "target": agent}
        added = await self._write(connection, frame, SenderType.HUMAN, body)
        if not await self._across.agent_here(connection.room.id, agent):
            reason = text("web_agent_away", agent=agent)
            connection.send({"type": "notice", "text": say(reason, connection.person.language)})
        return self._acknowledge(frame, added, repeated=not added.fresh)

    async def _addressed_agent(self, line: str) -> tuple[str, str]:
        """The agent that ``@name words`` is for, and the words; ("", "") for anything else."""
        if not line.startswith("@"):
            return "", ""
        async with self._db.read() as tx:
            agents = [p.name for p in await people.everyone(tx) if p.role is Role.AGENT]
        for name in sorted(agents, key=len, reverse=True):
            rest = line[1 + len(name) :]
            if line[1 : 1 + len(name)].lower() == name.lower() and rest[:1] in (
                " ",
                "\n",
                ":",
                ",",
            ):
                words = rest.lstrip(" \n:,")
                return (name, words) if words else ("", "")
        return "", ""

    async def _write(
        self, connection: Connection, frame: Said, sender: SenderType, body: dict[str, Any]
    ) -> Added:
        # Nothing was promised yet: whatever goes wrong here, the sender hears that it was not kept.
        try:
            async with self._db.write(urgent=True) as tx:
                added = await messages.add(
                    tx,
                    connection.room.id,
                    connection.person.name,
                    sender,
                    body,
                    dedupe=f"in:{_delivery_id(connection, frame)}",
                )
        except Exception as error:
            raise NotKept(str(error)) from error
        return added

    async def _hand_in(
        self, connection: Connection, frame: Said | Pressed, raw: dict[str, Any]
    ) -> bool:
        envelope = {"room": connection.room.address, "person": connection.person.name}
        delivery = _delivery_id(connection, frame)
        # The port allows keep() to raise anything: whatever it is, there is no acknowledgement.
        try:
            return await self._keep(SOURCE, delivery, raw | envelope, connection.room.address)
        except Exception as error:
            raise NotKept(str(error)) from error

    async def _withdraw(self, added: Added) -> None:
        if not added.fresh:
            return
        # The database is in trouble already; a message too many is better than a second error.
        try:
            async with self._db.write() as tx:
                await messages.withdraw(tx, added.message.key)
        except Exception:  # noqa: BLE001
            return

    def _acknowledge(self, frame: Said, added: Added, *, repeated: bool) -> dict[str, Any]:
        if added.fresh:
            self._hub.push(added.message)
        key = added.message.key
        return {"type": "ack", "id": frame.id, "repeated": repeated, "message_id": key}

    def _without_mention(self, line: str) -> str:
        if line.lower().startswith(self._bot_mention):
            return line[len(self._bot_mention) :].lstrip(" ,:") or line
        return line


def _delivery_id(connection: Connection, frame: Said | Pressed) -> str:
    """Stable when the same person sends the same frame again; never shared by two of anything."""
    return f"{connection.person.id}:{connection.room.id}:{frame.id}:{fingerprint(frame)}"


def refusal(reason: Text, language: str, delivery: str) -> dict[str, Any]:
    """The frame that tells that nothing was done, and why."""
    code = reason.key.removeprefix("web_error_")
    return {"type": "error", "id": delivery, "code": code, "text": say(reason, language)}
