"""The typed holes of an argv template: what may stand in each, and nothing else.

A value is checked whole against an ASCII pattern, after a length cap, and is refused when it does
not fit.  It is never stripped, folded or mended: what a person sees is what runs.  No value begins
with a dash, so none can become an option.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.errors import GiveUp, Why
from engine.execution.outcome import written_out
from prompts.texts import Text, text

_SHOWN = 60


class Slot(Protocol):
    """Reads one parameter. Gives it in its one canonical form or raises GiveUp."""

    def read(self, value: object, name: str) -> Any: ...


def shown(value: object) -> str:
    """A refused value as it may be shown: every unseen character written out, cut to 60."""
    words = value if isinstance(value, str) else repr(value)[: 4 * _SHOWN]
    seen = "".join(c if c.isprintable() else written_out(c) for c in words[: 4 * _SHOWN])
    return seen if len(seen) <= _SHOWN else seen[: _SHOWN - 1] + "…"


def refuse(name: str, value: object, rule: Text) -> GiveUp:
    """The error for a value that does not fit its slot."""
    return GiveUp(Why.INVALID, text("plan_slot", name=name, value=shown(value), rule=rule))


@dataclass(frozen=True)
class Word:
    """One ASCII word by pattern."""

    pattern: re.Pattern[str]
    longest: int
    rule: Text
    """What may stand here, for the person whose value was refused."""
    refused: frozenset[str] = field(default=frozenset())
    """Words that fit the pattern and are refused all the same."""

    def read(self, value: object, name: str) -> str:
        if not isinstance(value, str) or len(value) > self.longest:
            raise refuse(name, value, self.rule)
        if not self.pattern.fullmatch(value) or value in self.refused:
            raise refuse(name, value, self.rule)
        return value


@dataclass(frozen=True)
class Number:
    """A whole number, as a number or as ASCII digits without leading zeros or sign."""

    least: int
    most: int

    def read(self, value: object, name: str) -> int:
        rule = text("plan_rule_number", least=self.least, most=self.most)
        if type(value) is int:
            number = value
        elif isinstance(value, str) and len(value) <= 9 and _DIGITS.fullmatch(value):
            number = int(value)
        else:
            raise refuse(name, value, rule)
        if not self.least <= number <= self.most:
            raise refuse(name, value, rule)
        return number


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    choices: tuple[str, ...]

    def read(self, value: object, name: str) -> str:
        if not isinstance(value, str) or value not in self.choices:
            raise refuse(name, value, text("plan_rule_choice", choices=", ".join(self.choices)))
        return value


@dataclass(frozen=True)
class Words:
    """A list of words; a string alone stands for a list of one. It is never split."""

    slot: Word
    most: int

    def read(self, value: object, name: str) -> list[str]:
        rule = text("plan_rule_list", most=self.most)
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list | tuple) or len(value) > self.most:
            raise refuse(name, value, rule)
        return [self.slot.read(part, name) for part in value]


@dataclass(frozen=True)
class LogPath:
    """An absolute path of ASCII names below one of the log roots.

    This is the check by words alone; links are looked at on the host, see log_collect.  Names that
    begin with a dot are refused: keys and histories live there, logs do not.
    """

    roots: tuple[str, ...]

    def read(self, value: object, name: str) -> str:
        rule = text("plan_rule_path", roots=", ".join(self.roots))
        if not isinstance(value, str) or len(value) > 512 or not is_below(value, self.roots):
            raise refuse(name, value, rule)
        return value


@dataclass(frozen=True)
class Prose:
    """Words in any language that stay inside Watchstander; they never reach a host or a shell.

    Refused are characters that cannot be seen: control, bidi and zero-width ones, and every space
    but the plain one.
    """

    longest: int

    def read(self, value: object, name: str) -> str:
        rule = text("plan_rule_prose", longest=self.longest)
        if not isinstance(value, str) or not 0 < len(value) <= self.longest:
            raise refuse(name, value, rule)
        if not value.isprintable() or value != value.strip():
            raise refuse(name, value, rule)
        return value


@dataclass(frozen=True)
class PersonName:
    """A person's name in any script, to be looked up among the people listed."""

    longest: int = 64

    def read(self, value: object, name: str) -> str:
        rule = text("plan_rule_person")
        if not isinstance(value, str) or not 0 < len(value) <= self.longest:
            raise refuse(name, value, rule)
        if not all(_in_a_name(character) for character in value) or not value[0].isalnum():
            raise refuse(name, value, rule)
        if unicodedata.normalize("NFKC", value) != value or _mixes_alphabets(value):
            raise refuse(name, value, rule)
        if value[-1] == " " or "  " in value:
            raise refuse(name, value, rule)
        return value


def is_plain(path: str) -> bool:
    """Whether a path is absolute and of ASCII names: no "..", no hidden name, no doubled slash."""
    return len(path) <= 4096 and _PATH.fullmatch(path) is not None


def is_below(path: str, roots: Sequence[str]) -> bool:
    """Whether a plain path is below one of the roots."""
    return is_plain(path) and any(path.startswith(f"{root}/") for root in roots)


def read_params(
    action: str, slots: Mapping[str, tuple[Slot, Any]], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Every parameter of an action in canonical form. Raises GiveUp.

    ``slots`` maps a name to its slot and its default; :data:`NEEDED` as default makes it required,
    None leaves it out.
    """
    for name in given:
        if name not in slots:
            known = ", ".join(slots)
            values = {"action": action, "name": shown(name), "known": known}
            raise GiveUp(Why.INVALID, text("plan_param_unknown", **values))
    params = {}
    for name, (slot, default) in slots.items():
        value = given.get(name, default)
        if value is NEEDED:
            raise GiveUp(Why.INVALID, text("plan_param_missing", action=action, name=name))
        if value is not None or name in given:
            params[name] = slot.read(value, name)
    return params


def _in_a_name(character: str) -> bool:
    category = unicodedata.category(character)
    if category == "Nd":
        return character.isascii()
    if unicodedata.name(character, "").startswith(_NOT_IN_NAMES):
        return False
    return category[0] in "LM" or character in " .-'_"


def _mixes_alphabets(value: str) -> bool:
    """Latin beside Cyrillic or Greek in one name: letters that look alike and are not."""
    scripts = {unicodedata.name(character, "").split(" ")[0] for character in value}
    return len(scripts & {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}) > 1


# Letters by category that are drawn as nothing, or as a mark: fillers, selectors, click letters.
_NOT_IN_NAMES = (
    "HANGUL CHOSEONG",
    "HANGUL JUNGSEONG",
    "HANGUL JONGSEONG",
    "VARIATION SELECTOR",
    "COMBINING GRAPHEME",
    "LATIN LETTER",
    "MODIFIER",
)

#: The default of a parameter that must be given.
NEEDED = object()

_DIGITS = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_PATH = re.compile(r"(?:/[A-Za-z0-9_][A-Za-z0-9_.@+=,:-]{0,254})+", re.ASCII)

# Accounts without which a machine does not run; locking them is not what anybody means.
_SYSTEM_ACCOUNTS = """
    root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats
    nobody adm shutdown halt operator ftp dbus polkitd sshd chrony ntp tss messagebus syslog
    systemd-network systemd-resolve systemd-timesync systemd-coredump systemd-oom _apt
    postgres mysql docker
"""

UNIT = Word(re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@:-]*", re.ASCII), 128, text("plan_rule_unit"))
CONTAINER = Word(
    re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII), 128, text("plan_rule_container")
)
ACCOUNT = Word(
    re.compile(r"[a-z_][a-z0-9_.-]{0,31}", re.ASCII),
    32,
    text("plan_rule_account"),
    frozenset(_SYSTEM_ACCOUNTS.split()),
)
SCRIPT = Word(re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII), 64, text("plan_rule_script"))
# A path as an argument may not climb (".."), have a second root ("//") or a hidden name ("/.").
ARGUMENT = Word(
    re.compile(r"(?!.*\.\.)(?!.*//)(?!.*/\.)[A-Za-z0-9/][A-Za-z0-9_.,:/@+=-]*", re.ASCII),
    128,
    text("plan_rule_argument"),
)
REQUEST_KEY = Word(re.compile(r"SR-[0-9]{8}-[0-9]{4,6}", re.ASCII), 18, text("plan_rule_request"))
