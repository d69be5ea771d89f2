"""What is said in ordinary talk that calls for a look, and the read-only check that is offered.

The rules are words: ``nudges.toml`` beside this file, and the team's own before them.  A rule only
ever names an action type; hosts, commands and risk come from the product's tables.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from engine.actions.registry import BY_NAME
from engine.errors import GiveUp
from engine.language.fold import fold, hangul, latin
from engine.planning import Planner
from engine.risk import Level, Policy

MOST_OFFERED = 5
"""Assets to choose from in one message."""

_SHIPPED = Path(__file__).with_name("nudges.toml")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}", re.ASCII)
_LONGEST_WORD = 60
#: What somebody quotes is not what they say: code, addresses of pages and of people.
_QUOTED = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]{1,500}`|\b[a-z][a-z0-9+-]{0,20}://\S+|\bwww\.\S+"
    r"|(?<!\S)[^\s@]{1,64}@\S+",
    re.DOTALL | re.IGNORECASE,
)
_PARTICLE = "이|은|을|도|만|의|에|과|걸|때|풀|잡|경"
"""What may follow a word of one syllable; anything else makes it another word."""


@dataclass(frozen=True)
class NudgeSettings:
    """Checks that are offered when people talk about trouble."""

    enabled: bool = True
    """false = ordinary talk is not looked at."""

    cooldown_minutes: int = 30
    """Minutes until a rule may offer again in the same room."""


@dataclass(frozen=True)
class NudgeRule:
    """One rule: words that call for a look, and the look. ``[[nudge]]`` adds one."""

    name: str
    """Its name in /nudges: small letters, digits and _. A shipped rule of that name is replaced."""

    words: tuple[str, ...]
    """Any of them is enough. Each stands at the beginning of a word; a Chinese one anywhere."""

    action: str
    """Action type that is proposed on the asset: one that is LOW, such as disk_status."""

    unless: tuple[str, ...] = ()
    """Longer words that begin alike and mean something else."""

    not_with: tuple[str, ...] = ()
    """Words of other matters: in a text that holds one, the rule hears nothing."""

    code: str = ""
    """command_code of the button in the message schema; "" = the action type in capitals."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name!r}: use small letters, digits and _")
        if not self.words:
            raise ValueError("words is empty; give at least one")
        for word in (*self.words, *self.unless, *self.not_with):
            if not 0 < len(word.strip()) <= _LONGEST_WORD:
                raise ValueError(f"words: {word!r} must have 1 to {_LONGEST_WORD} characters")
        if self.code and not _CODE.fullmatch(self.code):
            raise ValueError(f"code {self.code!r}: use capitals, digits and _")

    @property
    def command_code(self) -> str:
        return self.code or self.action.upper()


class NudgeError(Exception):
    """Rules that cannot be used. ``problems`` holds "where: what; the mend", one each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Nudges:
    """The rules in force, in the order in which they are tried."""

    def __init__(
        self, rules: Sequence[NudgeRule], planner: Planner, settings: NudgeSettings | None = None
    ) -> None:
        self.rules = tuple(rules)
        self.settings = settings or NudgeSettings()
        self._planner = planner
        self._anywhere: dict[str, tuple[str, ...]] = {}
        self._patterns = [(rule, *_patterns(rule)) for rule in self.rules]

    def named(self, name: str) -> NudgeRule | None:
        return next((rule for rule in self.rules if rule.name == name), None)

    def is_low(self, rule: NudgeRule) -> bool:
        """Whether the policy in force lets its check run without anybody's yes."""
        return self._planner.policy.levels.get(rule.action) is Level.LOW

    def find(self, said: str) -> NudgeRule | None:
        """The first rule that the words call for; None for none. What is quoted does not count."""
        if not self.settings.enabled:
            return None
        heard = fold(_QUOTED.sub(" ", said))
        for rule, wanted, unwanted, other in self._patterns:
            if not self.is_low(rule) or other.search(heard):
                continue
            if wanted.search(unwanted.sub(" ", heard)):
                return rule
        return None

    def can_look(self, rule: NudgeRule, asset: str) -> bool:
        """Whether the check can be planned on the asset, and only looks."""
        try:
            return self._planner.plan(rule.action, [asset], {}).risk == Level.LOW.name
        except GiveUp:
            return False

    def likely(self, rule: NudgeRule, assets: Iterable[str]) -> tuple[str, ...]:
        """Those of the assets that the check can be made on, production first.

        At most MOST_OFFERED + 1, so that a caller sees whether there are more.
        """
        known = self._planner.inventory.assets
        ordered = sorted(dict.fromkeys(assets), key=lambda code: known[code].environment != "PRD")
        found: list[str] = []
        for code in ordered:
            if len(found) <= MOST_OFFERED and self.can_look(rule, code):
                found.append(code)
        return tuple(found)

    def everywhere(self, rule: NudgeRule) -> tuple[str, ...]:
        """The likely assets where none is named. Looked for once: it is the whole inventory."""
        if rule.name not in self._anywhere:
            self._anywhere[rule.name] = self.likely(rule, self._planner.inventory.assets)
        return self._anywhere[rule.name]


def load_rules(own: Sequence[NudgeRule], policy: Policy) -> tuple[NudgeRule, ...]:
    """The team's rules, then the shipped ones that they do not replace.

    Raises NudgeError for a rule of the team's whose action is unknown or is not LOW.  A shipped one
    that a policy has raised is kept, and offers nothing (``Nudges.is_low``).
    """
    problems = [problem for rule in own for problem in _problems(rule, policy)]
    names = [rule.name for rule in own]
    problems += [
        f"[[nudge]] {name}: the name stands twice; give each its own"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    if problems:
        raise NudgeError(problems)
    return (*own, *(rule for rule in shipped() if rule.name not in names))


def _problems(rule: NudgeRule, policy: Policy) -> list[str]:
    place = f"[[nudge]] {rule.name} action"
    if rule.action not in BY_NAME:
        known = ", ".join(sorted(n for n in BY_NAME if policy.levels.get(n) is Level.LOW))
        return [f"{place}: {rule.action!r} is no action type; use one that only looks: {known}"]
    level = policy.levels.get(rule.action, policy.unlisted)
    if level is not Level.LOW:
        mend = "take one that only looks, or remove the rule"
        return [f"{place}: {rule.action} is {level.name} by the policy, not LOW; {mend}"]
    return []


@cache
def shipped() -> tuple[NudgeRule, ...]:
    """The rules that come with the product."""
    return tuple(
        NudgeRule(
            one["name"],
            tuple(one["words"]),
            one["action"],
            tuple(one["unless"]),
            tuple(one["not_with"]),
            one["code"],
        )
        for one in tomllib.loads(_SHIPPED.read_text(encoding="utf-8"))["nudge"]
    )


def _patterns(rule: NudgeRule) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """What calls for the rule, what is taken out of the text before, and what silences it."""
    unwanted = [_word(word, whole=False) for word in rule.unless] or ["(?!)"]
    wanted = [_word(word, whole=True) for word in rule.words]
    other = [_word(word, whole=True) for word in rule.not_with] or ["(?!)"]
    return re.compile("|".join(wanted)), re.compile("|".join(unwanted)), re.compile("|".join(other))


def _word(word: str, *, whole: bool) -> str:
    """A pattern for a word in folded text. ``whole``: a short one is not the head of a longer."""
    folded = fold(word.strip())
    gap = r"\s+" if folded.isascii() else r"\s*"
    inner = gap.join(re.escape(part) for part in folded.split())
    first, last = folded[0], folded[-1]
    before, after = "", ""
    if latin(first):
        # Not inside a host's name: "pay-db-01" alone is no talk of a slow database.
        before = r"(?<![a-z0-9_])(?<![a-z0-9][-._/@])"
    elif hangul(first):
        before = "(?<![가-힣])"
    if latin(last):
        after = r"(?![a-z0-9_]|[-._/@:][a-z0-9])"
    elif hangul(last) and len(folded) == 1 and whole:
        after = f"(?=$|[^가-힣]|{_PARTICLE})"
    return f"{before}{inner}{after}"
