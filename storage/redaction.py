"""Secrets taken out of words before they are kept, shown or logged.

Two kinds are found: the secrets that the configuration holds, wherever they stand, and what has the
form of a secret: tokens of known shapes, private keys, passwords in addresses.  It is no proof that
none is left: a password that looks like a word is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

MARK = "•••"
"""Stands for what was taken out, in every language."""

SHORTEST = 6
"""Characters of a known secret that is looked for; a shorter one would hide ordinary words."""

_SHAPED = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,10000}?"
    r"(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)"
    # The end of one, where what came before was cut off.
    r"|(?:^[A-Za-z0-9+/=]{1,100}\n){1,80}-----END [A-Z ]{0,30}PRIVATE KEY-----"
    r"|\bxox[a-z]-[\w-]{8,}|\bxapp-[\w-]{8,}|\b(?:bot)?\d{6,20}:[\w-]{30,}|\bws_[\w-]{40,}"
    r"|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bA(?:KIA|SIA)[0-9A-Z]{16}\b"
    r"|\bAIza[\w-]{30,}|\bsk[-_][\w-]{20,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|\botpauth://\S{1,500}|\bhttps://hooks\.slack\.com/services/\S{8,200}",
    re.ASCII | re.DOTALL | re.MULTILINE,
)
_BEHIND = re.compile(
    # Each keeps its first group and loses what comes after.
    # A port and what follows it ("http://host:8080,ops@…") is no password.
    r"(?P<url>\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@]{0,100}:)(?!\d{1,5}[,;\"'])[^\s/@\"]{1,200}(?=@)"
    # "Basic monitoring" and "bearer of news" are words; so is all that is not ASCII.
    r"|(?P<header>\b(?:bearer|basic)\s)\s{0,5}"
    r"(?:(?=[A-Z0-9_.~+/-]{0,100}[0-9=])[A-Z0-9_.~+/=-]{8,500}|[A-Z0-9_.~+/=-]{24,500})"
    r"|(?P<link>/sign-in/)[A-Z0-9_-]{40,}",
    re.IGNORECASE,
)
_known = re.compile("(?!)")


def pattern(secrets: Iterable[str]) -> re.Pattern[str]:
    """Finds each of the secrets, also as it is written in an address; the longest first."""
    written = {form for secret in secrets for form in (secret, quote(secret, safe=""))}
    longest_first = sorted((one for one in written if len(one) >= SHORTEST), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


def know(secrets: Iterable[str]) -> None:
    """From now on these are hidden in this process: what the configuration holds."""
    global _known  # noqa: PLW0603 – every writer of the process asks the same list
    _known = pattern(secrets)


def hidden(words: str, mark: str = MARK) -> str:
    """The words with ``mark`` in place of each secret that is found; linear in their length."""
    if len(words) < SHORTEST:
        return words
    words = _SHAPED.sub(mark, _known.sub(mark, words))
    return _BEHIND.sub(lambda found: f"{found[found.lastgroup or 0]}{mark}", words)


def hidden_in(value: Any) -> Any:
    """The same for every text in a JSON value; keys stay as they are."""
    if isinstance(value, str):
        return hidden(value)
    if isinstance(value, Mapping):
        return {key: hidden_in(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hidden_in(item) for item in value]
    return value
