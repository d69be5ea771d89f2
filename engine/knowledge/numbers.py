"""Numbers that a question names or asks for, in figures and in words of the three languages."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[0-9]{3,}")
"""Years, codes and sizes; smaller numbers are as often written in words."""
_ASKED = re.compile(
    r"\bhow (?:many|much|long|large|big|far|old|often|soon|fast|high|heavy|late|early)\b"
    r"|몇|며칠|얼마|幾|多少|多久|多大|多高|多長|多遠|多重"
)
_AMOUNT = re.compile(
    r"[0-9]"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[a-z]+teen|hundred"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|thousand|half|once|twice|each|every|daily"
    r"|weekly|monthly|yearly|free|immediately)\b"
    r"|[한두세네반매] |다섯|여섯|일곱|여덟|아홉|열 |열한|열두|스무|스물|서른|마흔|쉰|하루|이틀|사흘"
    r"|나흘|열흘|보름|일주일|매[일주달월년]|무료|바로|즉시|[백천만] ?[원명]"
    r"|[一二三四五六七八九十百千萬兩半每]|免費|立即|隨時"
)


def number_missing(question: str, whole: str) -> bool:
    """Whether a folded question names a number that an article's haystack does not have."""
    return any(number not in whole for number in _NUMBER.findall(question))


def amount_missing(question: str, passage: str) -> bool:
    """Whether a folded question asks how many, or how long, and a folded passage has no amount."""
    return bool(_ASKED.search(question)) and not _AMOUNT.search(passage)
