"""A person at the Slack double: what they type, press and send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.doubles.slack_delivery import COMMAND, EVENT, INTERACTION, Delivery
from tests.doubles.slack_state import Channel, Message, Shown, View

if TYPE_CHECKING:
    from tests.doubles.slack import SlackDouble


@dataclass
class User:
    """One member. Every act gives the Delivery; await ``(await …).acknowledged()`` for the ack."""

    slack: SlackDouble
    id: str
    name: str
    team: str

    # Words

    async def says(
        self, channel: str, text: str, *, thread_ts: str | None = None, **extra: Any
    ) -> Delivery:
        """Type into a channel. ``extra`` goes into the event (subtype, bot_id, …).

        With the bot's mention in it Slack sends two events, and the app_mention one is returned.
        """
        place = self.slack.channels[channel]
        message = Message(channel, self.slack.new_ts(), self.id, text=text, thread_ts=thread_ts)
        place.messages.append(message)
        self.slack.changed()
        event = self._event(place, message) | extra
        delivery = await self._tell(event, message.ts)
        if f"<@{self.slack.bot_user}>" in text and place.kind != "im" and not extra:
            event = {k: v for k, v in event.items() if k not in ("channel_type", "parent_user_id")}
            delivery = await self._tell(event | {"type": "app_mention"}, message.ts)
        return delivery

    async def mentions(self, channel: str, text: str, **more: Any) -> Delivery:
        """Say something to the bot by name."""
        return await self.says(channel, f"<@{self.slack.bot_user}> {text}", **more)

    async def says_directly(self, text: str) -> Delivery:
        """Write to the bot in their one-to-one conversation."""
        return await self.says(self.slack.direct(self.id).id, text)

    async def edits(self, channel: str, ts: str, text: str) -> Delivery:
        """Change an earlier message."""
        place = self.slack.channels[channel]
        message = next(m for m in place.messages if m.ts == ts)
        message.text = text
        changed = self._event(place, message) | {"edited": {"user": self.id, "ts": ts}}
        event = {
            "type": "message",
            "subtype": "message_changed",
            "hidden": True,
            "channel": channel,
            "channel_type": place.kind,
            "message": changed,
            "ts": self.slack.new_ts(),
        }
        return await self._tell(event, ts)

    def _event(self, place: Channel, message: Message) -> dict[str, Any]:
        event: dict[str, Any] = {
            "type": "message",
            "user": self.id,
            "team": self.team,
            "text": message.text,
            "ts": message.ts,
            "event_ts": message.ts,
            "channel": place.id,
            "channel_type": place.kind,
            "client_msg_id": self.slack.new_id("cm"),
        }
        if self.team != self.slack.team:
            event |= {"user_team": self.team, "source_team": self.team}
        if message.thread_ts:
            roots = [m for m in place.messages if m.ts == message.thread_ts]
            parent = roots[0].user if roots else ""
            event |= {"thread_ts": message.thread_ts, "parent_user_id": parent}
        return event

    async def _tell(self, event: dict[str, Any], ts: str) -> Delivery:
        return await self.slack.deliver(EVENT, self.slack.event_body(event), ts)

    # Commands

    async def command(self, channel: str, command: str, text: str = "") -> Delivery:
        """Send a slash command: ``command("C1", "/approve", "17 fine")``."""
        place = self.slack.channels[channel]
        names = {"im": "directmessage", "group": "privategroup"}
        payload = {
            "token": "verification-token",
            "team_id": self.team,
            "channel_id": channel,
            "channel_name": names.get(place.kind, place.name),
            "user_id": self.id,
            "user_name": self.name,
            "command": command,
            "text": text,
            "api_app_id": self.slack.app_id,
            "response_url": "https://hooks.slack.invalid/one-time-secret",
            "trigger_id": self.slack.new_trigger(self.id),
        }
        return await self.slack.deliver(COMMAND, payload)

    # Buttons

    def sees(self, channel: str) -> list[Shown]:
        """The messages on this person's screen, ephemeral ones for them included."""
        return self.slack.screen(channel, self.id)

    async def press(self, channel: str, message_ts: str | None, label: str) -> Delivery:
        """Press a button that is on the screen now; without a ts, the newest with that label."""
        seen = [m for m in self.sees(channel) if message_ts in (None, m.ts) and label in m.buttons]
        if not seen:
            raise AssertionError(f"{self.id} sees no button {label!r} in {channel}")
        labels = list(seen[-1].buttons)
        token = seen[-1].buttons[label]
        return await self.press_token(channel, seen[-1].ts, token, f"ws:{labels.index(label)}")

    async def press_token(
        self, channel: str, message_ts: str, token: str, action_id: str = "ws:0"
    ) -> Delivery:
        """Press with any token: a button from an old screen, or one that never was."""
        place = self.slack.channels[channel]
        message = next((m for m in place.messages if m.ts == message_ts), None)
        container: dict[str, Any] = {
            "type": "message",
            "message_ts": message_ts,
            "channel_id": channel,
            "is_ephemeral": bool(message and message.only_for),
        }
        if message is not None and message.thread_ts:
            container["thread_ts"] = message.thread_ts
        payload = self._interaction("block_actions") | {
            "container": container,
            "channel": {"id": channel, "name": place.name},
            "trigger_id": self.slack.new_trigger(self.id),
            "response_url": "https://hooks.slack.invalid/one-time-secret",
            "actions": [
                {
                    "type": "button",
                    "action_id": action_id,
                    "block_id": "b",
                    "value": token,
                    "action_ts": self.slack.new_ts(),
                }
            ],
        }
        return await self.slack.deliver(INTERACTION, payload, message_ts)

    # Forms

    @property
    def view(self) -> View:
        """The form that is open on this person's screen."""
        open_ = [view for view in self.slack.views if view.user == self.id and view.open]
        if not open_:
            raise AssertionError(f"{self.id} has no form open")
        return open_[-1]

    async def submits(self, view: View | None, text: str) -> Delivery:
        """Fill the form's one field and send it; ``None`` is the open form."""
        view = view or self.view
        block = next(b for b in view.view["blocks"] if b["type"] == "input")
        field, value = block["element"], {"type": "plain_text_input", "value": text}
        if not field.get("min_length", 0) <= len(text) <= field.get("max_length", 3000):
            raise AssertionError(f"the form does not take {len(text)} characters")
        values = {block["block_id"]: {field["action_id"]: value}}
        payload = self._interaction("view_submission") | {
            "view": {"id": view.id, **view.view, "state": {"values": values}},
            "trigger_id": self.slack.new_trigger(self.id),
            "response_urls": [],
        }
        return await self.slack.deliver(INTERACTION, payload)

    def _interaction(self, kind: str) -> dict[str, Any]:
        return {
            "type": kind,
            "token": "verification-token",
            "api_app_id": self.slack.app_id,
            "team": {"id": self.team, "domain": "example"},
            "user": {"id": self.id, "name": self.name, "team_id": self.team},
        }
