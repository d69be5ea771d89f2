"""Named points where a test ends the process or lets a call fail, to see what is left.

Rule 1: in a normal run nothing is armed, and a point is one comparison.
Rule 2: nothing in the product arms them: no setting, no environment variable.  A test's own
process does, before it starts the bot.
Rule 3: every committed write has its points by itself, named TABLE.insert, TABLE.update,
TABLE.delete, and by the audit rows in it (action.approve).  "before" is right before the commit,
"after" right after it.
Rule 4: every call to the outside has two by hand, named PART.WHAT and listed in OUTSIDE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

When = Literal["before", "after"]
Reached = Callable[[str, When], None]
"""``reached(point, when)``: may end the process, or raise what the call itself could raise."""

OUTSIDE: tuple[str, ...] = (
    "audit.sign",
    "http.ack",
    "messenger.post",
    "model.ask",
    "probe.certificate",
    "probe.http",
    "probe.tcp",
    "server.ask",
    "slack.ack",
    "slack.apps.connections.open",
    "slack.auth.test",
    "slack.chat.postEphemeral",
    "slack.chat.postMessage",
    "slack.chat.update",
    "slack.conversations.history",
    "slack.conversations.open",
    "slack.conversations.replies",
    "slack.files.upload.v2",
    "slack.users.conversations",
    "slack.views.open",
    "ssh.connect",
    "ssh.exit",
    "ssh.send",
    "ssh.upload",
    "telegram.answerCallbackQuery",
    "telegram.deleteWebhook",
    "telegram.editMessageText",
    "telegram.getMe",
    "telegram.getUpdates",
    "telegram.getWebhookInfo",
    "telegram.sendDocument",
    "telegram.sendMessage",
    "telegram.setMyCommands",
    "telegram.setWebhook",
    "web.ack",
    "web.push",
)
"""The points that are not commits; tests/unit/test_failpoints.py holds the list to the code."""

_armed: Reached | None = None


def arm(reached: Reached | None) -> None:
    """From now on every point calls this; None: no longer."""
    global _armed  # noqa: PLW0603 – one switch for the whole process is what this is
    _armed = reached


def armed() -> bool:
    """Whether anybody listens: names of points need not be made up otherwise."""
    return _armed is not None


def before(point: str) -> None:
    """Right before a call to the outside."""
    if _armed is not None:
        _armed(point, "before")


def after(point: str) -> None:
    """Right after it, before anybody knows how it went."""
    if _armed is not None:
        _armed(point, "after")


def commit(points: Iterable[str], when: When) -> None:
    """Around a commit: each write that is in it."""
    if _armed is not None:
        for point in sorted(points):
            _armed(point, when)
