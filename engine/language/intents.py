"""What a message wants done: cues in three languages, and which of them are meant."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import pairwise

from engine.language import lexicon
from engine.language.contract import CHANGING, INTENTS, MAX_STEPS, UNREAD
from engine.language.mentions import Kind, Scan

# A domain verb ("add an index") says more than a plain one ("add"); DEPLOY more than the stop and
# start around it.
_RANK = (
    "ROLLBACK",
    "SCRIPT",
    "SECURITY",
    "FAILOVER",
    "DB_CHANGE",
    "NETWORK",
    "ACCOUNT",
    "DEPLOY",
    "RESTART",
    "STOP",
    "START",
    "LOG",
    "STATUS",
)
_AROUND = frozenset({"RESTART", "STOP", "START"})
_LOOK_BACK = 80
_LOOK_AHEAD = 60
_MOST_CUES = 48
_SENTENCE = 160
_DONE = re.compile("했|완료|해봤|해 봤")


@dataclass(frozen=True)
class Cue:
    """A stretch of the message that names an intent."""

    intent: str
    start: int
    end: int
    strong: bool = True
    negated: bool = False
    moot: bool = False
    """Told, failed, conditional or only named: not asked for here."""

    @property
    def live(self) -> bool:
        """Whether it is asked for."""
        return not self.negated and not self.moot


@dataclass
class Wish:
    """The intent of a message and how it was found."""

    intent: str
    steps: tuple[str, ...]
    confidence: float
    cues: list[Cue] = field(default_factory=list)
    """All cues, in order, those that are not meant included."""
    clauses: list[tuple[int, int]] = field(default_factory=list)

    def live(self) -> list[Cue]:
        return [cue for cue in self.cues if cue.live]


def find_wish(scan: Scan) -> Wish:
    """The intent of a scanned message; OTHER when nothing is asked for."""
    text = scan.masked
    cues = [_weigh(cue, text) for cue in _find_cues(text)]
    clauses = _clauses(text)
    named = bool(scan.of(Kind.NODE, Kind.SYSTEM, Kind.LAYER, Kind.INSTITUTION) or scan.absent)
    asking = [cue for cue in cues if not _in_question(cue, text, named)]
    live = [cue for cue in asking if cue.live]
    strong = [cue for cue in live if cue.strong]
    wish = Wish("OTHER", ("OTHER",), 0.9, cues, clauses)
    meant = _without_shadows(strong, scan)
    if meant:
        wish.intent = _main(meant, scan)
        wish.steps = _steps(meant, wish.intent)
        wish.confidence = 0.9 if len(set(wish.steps)) == 1 else 0.75
    elif _has_question(text, cues, named):
        wish.intent, wish.steps = "INQUIRY", ("INQUIRY",)
    else:
        _fall_back(wish, scan, asking, named)
    return wish


def _fall_back(wish: Wish, scan: Scan, asking: list[Cue], named: bool) -> None:
    """No strong cue: a file, a symptom or a weak cue may still say what is wanted."""
    target = bool(scan.of(Kind.NODE, Kind.SYSTEM) or scan.absent)
    weak = [cue for cue in asking if not cue.strong and not cue.negated and not cue.moot]
    symptom = any(cue.moot and not cue.negated for cue in wish.cues)
    if scan.files and _request(scan.masked):
        wish.intent = "SCRIPT" if scan.files[0].script else "DEPLOY"
        wish.confidence = 0.6
    elif weak and (target or (named and _request(scan.masked))):
        wish.intent, wish.confidence = "STATUS", 0.7
    elif symptom and target and _asked(scan.masked) and not _told(scan.masked):
        wish.intent, wish.confidence = "STATUS", 0.65
    elif not wish.cues and _plain_request(scan.masked):
        wish.confidence = UNREAD
    wish.steps = (wish.intent,)


def _told(text: str) -> bool:
    return _hit("praise", text, "inquiry") or _hit("by_me", text)


def _find_cues(text: str) -> list[Cue]:
    found: list[Cue] = []
    for intent in INTENTS:
        for strength in ("strong", "weak"):
            try:
                pattern = lexicon.pattern(intent, strength, "cues")
            except KeyError:
                continue
            found += [
                Cue(intent, *match.span(), strong=strength == "strong")
                for match in pattern.finditer(text)
                if match.end() > match.start()
            ]
    found.sort(key=lambda cue: (cue.start, -cue.end, _RANK.index(cue.intent)))
    found = found[:_MOST_CUES]
    return [cue for cue in found if not any(_inside(cue, other) for other in found)]


def _inside(cue: Cue, other: Cue) -> bool:
    """Whether another cue says more on the same words."""
    if cue is other or not (other.start <= cue.start and cue.end <= other.end):
        return False
    if (cue.start, cue.end) != (other.start, other.end):
        return other.strong or not cue.strong
    return (other.strong, -_RANK.index(other.intent)) > (cue.strong, -_RANK.index(cue.intent))


def _weigh(cue: Cue, text: str) -> Cue:
    """The cue with what stands around it: negation, past, failure, condition."""
    before = text[max(0, cue.start - _LOOK_BACK) : cue.start]
    after = text[cue.end : cue.end + _LOOK_AHEAD]
    told = _hit("weak_told_after", after) or _hit("weak_told_before", before)
    if not cue.strong:
        return replace(cue, moot=told or bool(_DONE.match(after)) or _praised(text, cue))
    if _hit("symptom_before", before) or _hit("symptom_after", after):
        return replace(cue, moot=True)
    if _hit("before", before) or _hit("after", after):
        return replace(cue, negated=True)
    if cue.intent in ("LOG", "STATUS"):
        return replace(cue, moot=told)
    moot = (
        _hit("past_after", after)
        or _hit("past_before", before)
        or _hit("conditional_before", before)
        or _hit("conditional_after", after)
        or _hit("noun_after", after, "inquiry")
        or _praised(text, cue)
        or _told_in_past(cue, text, before)
    )
    return replace(cue, moot=moot)


def _hit(key: str, text: str, section: str = "negation") -> bool:
    return bool(lexicon.pattern(section, key, "cues").search(text))


def _told_in_past(cue: Cue, text: str, before: str) -> bool:
    """ "restarted" tells; "need it restarted" asks."""
    word = text[cue.start : cue.end]
    return _hit("participle", word) and not _hit("participle_wanted", before)


def _praised(text: str, cue: Cue) -> bool:
    start, end = _sentence(text, cue.start)
    sentence = text[start:end]
    return _hit("praise", sentence, "inquiry") and not _hit("request", sentence, "inquiry")


def _sentence(text: str, at: int) -> tuple[int, int]:
    start = max((text.rfind(mark, 0, at) for mark in ".?!\n;。？！"), default=-1) + 1
    ends = [end for mark in "?!\n;。？！" if (end := text.find(mark, at)) >= 0]
    dot = re.compile(r"\.(?=\s|$)").search(text, at)
    if dot:
        ends.append(dot.start())
    end = min(ends, default=len(text))
    # Without a full stop, the words nearby stand for the sentence.
    return max(start, at - _SENTENCE), min(end, at + _SENTENCE)


def _in_question(cue: Cue, text: str, named: bool) -> bool:
    """Whether the sentence around the cue asks how or who, and not for the work itself."""
    start, end = _sentence(text, cue.start)
    sentence = text[start : end + 1]
    hit = _question(sentence)
    if hit is None:
        return False
    if cue.intent in ("STATUS", "LOG") and named and _hit("why", hit[0], "inquiry"):
        return False
    if named and cue.intent in CHANGING and _hit("may_we", hit[0], "inquiry"):
        return False
    return not _outweighed(sentence, hit)


def _question(sentence: str) -> re.Match[str] | None:
    state = [m.span() for m in lexicon.pattern("inquiry", "of_state", "cues").finditer(sentence)]
    for hit in lexicon.pattern("inquiry", "strong", "cues").finditer(sentence):
        if not any(a <= hit.start() and hit.start() < b for a, b in state):
            return hit
    return None


def _outweighed(sentence: str, hit: re.Match[str]) -> bool:
    """A request beside the question word asks for work, unless telling is all it asks for."""
    request = lexicon.pattern("inquiry", "request", "cues").search(sentence)
    if request is None or _hit("only_told", sentence, "inquiry"):
        return False
    latin_question = hit[0][0].isascii()
    return request.start() <= hit.start() if latin_question else True


def _has_question(text: str, cues: list[Cue], named: bool) -> bool:
    if any(_in_question(cue, text, named) for cue in cues if cue.strong):
        return True
    hit = _question(text)
    if hit is None or _outweighed(text, hit) or _hit("small_talk", text, "inquiry"):
        return False
    return not (named and _hit("why", hit[0], "inquiry"))


def _request(text: str) -> bool:
    return bool(lexicon.pattern("inquiry", "request", "cues").search(text)) or text.count(" ") < 4


def _plain_request(text: str) -> bool:
    """Whether something is asked for, politeness and small talk aside."""
    if _hit("small_talk", text, "inquiry") or _hit("praise", text, "inquiry"):
        return False
    rest = lexicon.pattern("inquiry", "greeting", "cues").sub(" ", text)
    return _hit("request", rest, "inquiry")


def _asked(text: str) -> bool:
    return _hit("asked", text, "inquiry") or _hit("cannot", text)


def _without_shadows(strong: list[Cue], scan: Scan) -> list[Cue]:
    """Strong cues less those that only go with another one."""
    intents = {cue.intent for cue in strong}
    drop: set[str] = set()
    if "LOG" in intents:
        drop |= {"STATUS"}
        if not _apart(strong, "LOG", {"STOP", "START"}):
            drop |= {"STOP", "START"}  # "로그 내려줘": to hand down, not to take down
    if "ROLLBACK" in intents:
        both = scan.files and _apart(strong, "ROLLBACK", {"DEPLOY"})
        drop.add("ROLLBACK" if both else "DEPLOY")
    packages = [file for file in scan.files if not file.script]
    if packages and "DEPLOY" in intents:
        drop |= {"SCRIPT"}
    return [cue for cue in strong if cue.intent not in drop]


def _apart(cues: list[Cue], one: str, others: set[str]) -> bool:
    """Whether the two kinds of cue stand well apart, each with words of its own."""
    mine = [cue for cue in cues if cue.intent == one]
    rest = [cue for cue in cues if cue.intent in others]
    return bool(rest) and all(
        max(a.start, b.start) - min(a.end, b.end) > 12 for a in mine for b in rest
    )


def _main(meant: list[Cue], scan: Scan) -> str:
    intents = [cue.intent for cue in meant]
    changing = [intent for intent in intents if intent in CHANGING]
    packages = [file for file in scan.files if not file.script]
    if (
        packages
        and "ROLLBACK" not in intents
        and ("DEPLOY" in intents or (changing and set(changing) <= _AROUND))
    ):
        return "DEPLOY"
    if not changing:
        return "LOG" if "LOG" in intents else intents[0]
    if set(changing) <= _AROUND:
        return "RESTART" if len(set(changing)) > 1 else changing[0]
    beyond = [intent for intent in changing if intent not in _AROUND]
    return beyond[0]


def _steps(meant: list[Cue], intent: str) -> tuple[str, ...]:
    steps: list[str] = []
    for cue in meant:
        if not steps or steps[-1] != cue.intent:
            steps.append(cue.intent)
    if intent not in steps and set(steps) != {"STOP", "START"}:
        steps.append(intent)
    return tuple(steps[:MAX_STEPS])


def _clauses(text: str) -> list[tuple[int, int]]:
    cuts = [match.end() for match in lexicon.pattern("clauses", "boundary", "cues").finditer(text)]
    edges = [0, *cuts, len(text)]
    return [(a, b) for a, b in pairwise(edges) if a < b]
