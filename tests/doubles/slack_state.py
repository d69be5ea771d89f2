"""What the Slack double remembers, and what a person sees of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Message:
    """One message as it stands now."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    thread_ts: str | None = None
    metadata: dict[str, Any] | None = None
    by_bot: bool = False
    only_for: str | None = None  #: an ephemeral: the one user who sees it
    files: list[Upload] = field(default_factory=list)
    edits: int = 0
    deleted: bool = False
    editable: bool = True  #: False: the edit window is closed


@dataclass
class Upload:
    """A file on its way, or in a channel."""

    id: str
    name: str
    length: int
    content: bytes | None = None


@dataclass
class Channel:
    """A conversation. ``kind``: channel, group, im, mpim."""

    id: str
    name: str
    kind: str
    members: set[str]
    bot_in: bool = True
    archived: bool = False
    messages: list[Message] = field(default_factory=list)


@dataclass
class View:
    """A modal on somebody's screen."""

    id: str
    user: str
    view: dict[str, Any]
    open: bool = True

    @property
    def title(self) -> str:
        return str(self.view["title"]["text"])

    @property
    def text(self) -> str:
        return "\n".join(part for block in self.view["blocks"] for part in _block_texts(block))


@dataclass(frozen=True)
class Shown:
    """A message as a person reads it: every character as it appears on the screen."""

    ts: str
    author: str
    text: str  #: everything but the buttons, line by line
    title: str
    code: str
    note: str
    buttons: dict[str, str]  #: label → token, in order
    thread_ts: str | None
    only_for: str | None
    files: dict[str, str]  #: name → content
    edits: int
    by_bot: bool

    def __contains__(self, words: str) -> bool:
        return words in self.text


def shown(message: Message) -> Shown:
    """Draw a message as Slack's client would."""
    texts = [part for block in message.blocks for part in _block_texts(block)]
    return Shown(
        ts=message.ts,
        author=message.user,
        text="\n".join(texts) if message.blocks else unescape(message.text),
        title="\n".join(_of(message, "header")),
        code="\n".join(_of(message, "rich_text")),
        note="\n".join(_of(message, "context")),
        buttons={
            element["text"]["text"]: element["value"]
            for block in message.blocks
            if block["type"] == "actions"
            for element in block["elements"]
        },
        thread_ts=message.thread_ts,
        only_for=message.only_for,
        files={f.name: (f.content or b"").decode("utf-8", "replace") for f in message.files},
        edits=message.edits,
        by_bot=message.by_bot,
    )


def _of(message: Message, kind: str) -> list[str]:
    return [
        part for block in message.blocks if block["type"] == kind for part in _block_texts(block)
    ]


def _block_texts(block: dict[str, Any]) -> list[str]:
    match block["type"]:
        case "header":
            return [_read(block["text"])]
        case "section":
            own = [_read(block["text"])] if block.get("text") else []
            return own + [_read(item) for item in block.get("fields", [])]
        case "context":
            return [_read(item) for item in block["elements"]]
        case "rich_text":
            return [leaf["text"] for part in block["elements"] for leaf in part["elements"]]
        case "input":
            return [_read(block["label"])]
    return []


def _read(item: dict[str, Any]) -> str:
    """plain_text is literal; mrkdwn decodes the three entities."""
    text = str(item["text"])
    return text if item["type"] == "plain_text" else unescape(text)


def unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
