"""What people typed: checked before it is kept; what is wrong is refused, with the mend."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

from engine.errors import GiveUp, Why
from engine.language.classify import PRIORITIES
from prompts.texts import Text, text

_WHOLE = re.compile(r"#?(?:([A-Z]{2,3})-)?(\d{8})-(\d{4,6})", re.ASCII | re.IGNORECASE)
_SHORT = re.compile(r"#?(\d{1,6})", re.ASCII)
_SHOWN = 40  # characters of a wrong word that are quoted back


def line(field: Text, raw: str, limit: int) -> str:
    """One line of text: blanks and line ends become single blanks. Raises GiveUp(INVALID)."""
    return _fit(field, " ".join(_printable(field, raw).split()), limit)


def paragraph(field: Text, raw: str, limit: int, *, may_be_empty: bool = False) -> str:
    """Text of several lines, outer blanks removed. Raises GiveUp(INVALID)."""
    found = _printable(field, raw).replace("\r\n", "\n").strip()
    return _fit(field, found, limit, may_be_empty=may_be_empty)


def request_key(typed: str, now: int) -> str:
    """The whole key for what a person typed. Raises GiveUp(INVALID) when it is no id.

    ``SR-20261120-0001`` and ``20261120-0001`` are that request; a bare number such as ``1`` or
    ``0001`` is the request of that number of today. The day is UTC, as in the keys themselves.
    """
    if (key := dated_key("SR", typed, now)) is not None:
        return key
    raise GiveUp(Why.INVALID, text("request_bad_id", typed=quoted(typed)))


def dated_key(prefix: str, typed: str, now: int) -> str | None:
    """The whole key with a prefix (SR, INC …) for what was typed; None when it can be none."""
    whole = _WHOLE.fullmatch(typed)
    if whole and (whole[1] or prefix).upper() == prefix:
        return f"{prefix}-{whole[2]}-{whole[3]}"
    if short := _SHORT.fullmatch(typed):
        day = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y%m%d")
        return f"{prefix}-{day}-{int(short[1]):04d}"
    return None


def looks_like_id(word: str) -> bool:
    """Whether a word can be the id of a request."""
    return dated_key("SR", word, 0) is not None


def priority(raw: str) -> str:
    """A priority by name, in any case. Raises GiveUp(INVALID)."""
    if (found := raw.upper()) in PRIORITIES:
        return found
    raise GiveUp(
        Why.INVALID,
        text("request_bad_priority", typed=quoted(raw), known=", ".join(PRIORITIES)),
    )


def quoted(raw: str) -> str:
    """A wrong word as it can be quoted back: short, and without characters that hide."""
    cut = raw if len(raw) <= _SHOWN else raw[: _SHOWN - 1] + "…"
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in cut)


def _printable(field: Text, raw: str) -> str:
    for char in raw:
        # Cs: half a surrogate pair, which no database can store. Cc: controls, NUL among them.
        if unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\r\t":
            code = f"U+{ord(char):04X}"
            raise GiveUp(Why.INVALID, text("request_text_control", field=field, code=code))
    return raw


def _fit(field: Text, found: str, limit: int, *, may_be_empty: bool = False) -> str:
    if not found and not may_be_empty:
        raise GiveUp(Why.INVALID, text("request_text_empty", field=field))
    if len(found) > limit:
        raise GiveUp(
            Why.INVALID,
            text("request_text_long", field=field, length=len(found), limit=limit),
        )
    return found
