"""Secrets taken out of what many read: articles, and the output of commands.

More than storage/redaction.py finds: also what stands behind a word such as "password", and
national identity numbers.  It is no proof that none is left; a person reviews what comes of a
request.
"""

from __future__ import annotations

import re

from storage.redaction import MARK, hidden

_WORD = (
    r"pass(?:word|wd|phrase|code)|pwd|secret|token|credential|api[_-]?key|access[_-]?key"
    r"|secret[_-]?key|private[_-]?key|비밀번호|비번|패스워드|암호|토큰|密碼|口令|密鑰|金鑰|權杖"
)
#: Part of each of these words: what has none of them need not be searched, and output is long.
_HINTS = (
    *("pass", "pwd", "secret", "token", "credential", "key", "bearer", "basic"),
    *("비밀번호", "비번", "패스워드", "암호", "토큰", "密碼", "口令", "密鑰", "金鑰", "權杖"),
)
#: Letters and a digit, in one piece: no word of a sentence.
_MIXED = r"(?=[!-~]{0,60}[0-9])(?=[!-~]{0,60}[A-Za-z])[!-~]{6,200}"

#: Resident registration number (Korea), identity card number (Taiwan).
_NUMBERS = re.compile(r"\b\d{6}-[1-8]\d{6}\b|\b[A-Z][12]\d{8}\b", re.ASCII)
_BEHIND = re.compile(
    # Each keeps its first group and loses what comes after.
    # "Basic authentication" are words; a capital within or a dot between makes it none.
    r"(?P<header>\b(?:bearer|basic)\s)\s{0,5}"
    r"(?=[A-Z_~+/-]{0,100}(?:[0-9=]|\.[A-Z]|(?-i:[a-z][A-Z])))[A-Z0-9_.~+/=-]{8,500}"
    rf"|(?P<option>--?(?:{_WORD})[=\s])\s{{0,5}}[!-~]{{1,200}}"
    rf"|(?P<set>(?:{_WORD})[\"']?\s{{0,3}}=)\s{{0,3}}[!-~]{{1,200}}"
    rf"|(?P<line>(?:{_WORD})[\"']?\s{{0,3}}[:：])[ \t]{{0,3}}(?:{_MIXED}|[!-~]{{4,200}}(?=[ \t]*$))"
    rf"|(?P<said>(?:{_WORD})(?:은|는|이|가|로|\sis|\swas|是|為)?[ \t]{{0,3}}){_MIXED}",
    re.IGNORECASE | re.MULTILINE,
)


def redacted(words: str) -> str:
    """The words with ``MARK`` in place of each secret that is found; linear in their length."""
    words = _NUMBERS.sub(MARK, hidden(words))
    folded = words.lower()
    if not any(hint in folded for hint in _HINTS):
        return words
    return _BEHIND.sub(lambda found: f"{found[found.lastgroup or 0]}{MARK}", words)


def without_name(words: str, name: str) -> str:
    """The words without a person's name, where it stands as a name and not within a word.

    A short name of Latin letters is left: it is a word as well ("min").
    """
    if len(name) < 2 or (name.isascii() and len(name) < 4):
        return words
    edge = r"\w" if name.isascii() else r"[^\W가-힣一-鿿]"
    return re.sub(f"(?<!{edge}){re.escape(name)}(?!{edge})", MARK, words)
