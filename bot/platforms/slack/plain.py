"""Text as data: made visible, measured and cut the way Slack counts."""

from __future__ import annotations

import unicodedata

#: Invisible kinds that can change how a line reads: controls, formats, halves, line breaks.
_DECEIVING = ("Cc", "Cf", "Cs", "Zl", "Zp")
#: What people need all the same: lines, tabs, and the joiners of emoji and some scripts.
_KEPT = "\n\t\u200c\u200d"
ELLIPSIS = "…"


def visible(text: str) -> str:
    """The text with invisible characters shown as code points; nothing is lost."""
    text = text.replace("\r\n", "\n")
    if text.isascii() and text.isprintable():
        return text
    return "".join(_seen(char) for char in text)


def _seen(char: str) -> str:
    if char in _KEPT or char.isprintable() or unicodedata.category(char) not in _DECEIVING:
        return char
    code = ord(char)
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\u{code:04x}" if code > 0xFF else f"\\x{code:02x}"


def size(text: str) -> int:
    """Length in UTF-16 units: Slack may count so, and it is never less than characters."""
    return len(text) + sum(char > "\uffff" for char in text)


def cut(text: str, limit: int) -> str:
    """At most ``limit`` units; a cut text ends in "…"."""
    if size(text) <= limit:
        return text
    return _head(text, limit - 1) + ELLIPSIS


def whole_lines(text: str, limit: int) -> str:
    """As many whole lines from the start as fit; a single line too long is cut."""
    if size(text) <= limit:
        return text
    head = _head(text, limit)
    return head[: head.rindex("\n")] if "\n" in head else cut(text, limit)


def pieces(text: str, limit: int) -> list[str]:
    """The text in pieces of at most ``limit`` units (2 or more), parted at newlines if it can."""
    found = []
    while size(text) > limit:
        head = _head(text, limit)
        at = head.rfind("\n") if head.rfind("\n") > limit // 2 else len(head)
        found.append(text[:at])
        text = text[at:].removeprefix("\n")
    return [piece for piece in [*found, text] if piece.strip()]


def escape(text: str) -> str:
    """For the one place that Slack reads as markup (the notification text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _head(text: str, limit: int) -> str:
    limit = max(limit, 0)
    head = text[:limit]
    while (excess := size(head) - limit) > 0:
        # A character is one or two units: half the excess in characters is never too many.
        head = head[: -max(1, excess // 2)]
    return head
