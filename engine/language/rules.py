"""The rules parser: a message to a parse and a selection, without a model."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.inventory import Inventory
from engine.language import exclusion, mentions, numbers, strangers
from engine.language.asked import not_asked
from engine.language.contract import (
    CHANGING,
    INTENTS,
    LAYERS,
    MAX_LIST,
    MAX_NAME,
    TARGETLESS,
    UNKNOWN,
    Parse,
    Question,
)
from engine.language.exclusion import Split
from engine.language.intents import Wish, find_wish
from engine.language.mentions import Kind, Mention, Scan
from engine.language.names import NameIndex
from engine.language.questions import ask, ask_which_wish
from engine.language.resolve import Doubt, Selection, select
from engine.language.words import Stranger

# These may be asked for without naming a host: an account, a policy, a rule.
_BETWEEN = frozenset({"NETWORK", "FAILOVER", "SECURITY"})
"""There "from lib01 to lib03" names two ends, not a range."""
_TARGET_OPTIONAL = frozenset({"ACCOUNT", "SECURITY", "NETWORK"})

_DOWN_AND_UP = (("STOP", "START"), ("STOP", "RESTART"), ("RESTART", "START"))


@dataclass(frozen=True)
class Understood:
    """A message as the rules read it."""

    parse: Parse
    assets: tuple[str, ...]
    question: Question | None
    confidence: float
    scan: Scan
    split: Split
    unknown: tuple[str, ...]
    wish: Wish
    several: bool = False
    """Different things are asked for on different targets."""


def understand(said: str, inventory: Inventory, index: NameIndex) -> Understood:
    """Read a message by rules. Never raises for content."""
    scan = mentions.scan(said, index)
    wish = find_wish(scan)
    if wish.intent != "OTHER" or not scan.mentions:
        strangers.mend(scan, index, wish)
        if wish.intent == "OTHER":
            wish = find_wish(scan)
    return _read(scan, wish, inventory, index)


def read_as(found: Understood, intent: str, inventory: Inventory, index: NameIndex) -> Understood:
    """The same message, where it is known what it asks for: only the targets are read anew.

    Raises ValueError where ``intent`` is not one of the contract's.
    """
    if intent not in INTENTS:
        raise ValueError(f"{intent!r} is no intent of the parse contract")
    if intent == found.wish.intent:
        return found
    wish = replace(found.wish, intent=intent, steps=(intent,))
    scan = replace(found.scan, mentions=list(found.scan.mentions), absent=list(found.scan.absent))
    if found.wish.intent == "OTHER":
        strangers.mend(scan, index, wish)
    return _read(scan, wish, inventory, index)


def _read(scan: Scan, wish: Wish, inventory: Inventory, index: NameIndex) -> Understood:
    if wish.intent not in _BETWEEN:
        numbers.fill_ranges(scan, index)
    split = exclusion.split(scan, wish)
    unknown = strangers.find_strangers(scan, split, index, wish)
    names = tuple(stranger.written for stranger in unknown)
    parse = _parse(scan, wish, split, unknown)
    found = Understood(parse, (), None, wish.confidence, scan, split, names, wish)
    if wish.intent in TARGETLESS:
        return found
    several = _several_wishes(inventory, index, scan, wish, split, names)
    if several:
        return replace(found, question=ask_which_wish(several), several=True)
    selection = select(inventory, index, split, wish.intent, names)
    if selection.assets and not_asked(scan, wish, split):
        selection = Selection(doubt=Doubt.WHICH_ASSET, candidates=selection.assets)
    asked = question_for(inventory, index, selection, wish.intent)
    return replace(found, assets=selection.assets, question=asked)


def question_for(
    inventory: Inventory, index: NameIndex, selection: Selection, intent: str
) -> Question | None:
    """The question for a selection in doubt; some intents need no target."""
    if selection.doubt is None:
        return None
    if selection.doubt is Doubt.WHICH_SYSTEM and intent in _TARGET_OPTIONAL:
        return None
    return ask(inventory, index, selection, intent)


def _several_wishes(
    inventory: Inventory,
    index: NameIndex,
    scan: Scan,
    wish: Wish,
    split: Split,
    unknown: tuple[str, ...],
) -> list[tuple[str, tuple[str, ...]]]:
    """Different intents, each on targets of its own; empty when the message is one wish."""
    if unknown:
        return []
    groups: dict[str, list[Mention]] = {}
    asked: set[str] = set()
    for intent, strong, start, end in _spans(scan, wish):
        inside = [m for m in split.meant if start <= m.start < end]
        if any(m.kind in (Kind.NODE, Kind.SYSTEM) for m in inside):
            groups.setdefault(intent, []).extend(inside)
            asked |= {intent} if strong else set()
    chosen = []
    for intent, inside in groups.items():
        selection = select(inventory, index, Split(inside, split.ruled_out), intent)
        if selection.assets:
            chosen.append((intent, selection.assets))
    wanted = [set(assets) for intent, assets in chosen if intent in asked]
    # "POS cannot print, restart pos-ap-01": what is said of the whole is why.
    chosen = [
        (intent, assets)
        for intent, assets in chosen
        if intent in asked or not any(part < set(assets) for part in wanted)
    ]
    return chosen if len({assets for _, assets in chosen}) > 1 else []


def _spans(scan: Scan, wish: Wish) -> list[tuple[str, bool, int, int]]:
    """Stretches of the message with the intent that each is about, and whether it is clear."""
    spans: list[tuple[str, bool, int, int]] = []
    waiting = 0
    live = [cue for cue in wish.live() if cue.intent in wish.steps or not cue.strong]
    for start, end in wish.clauses:
        here = [cue for cue in live if start <= cue.start < end]
        own = [cue for cue in here if cue.strong] or here
        if own:
            spans.append((own[-1].intent, own[-1].strong, waiting, end))
            waiting = end
        elif spans and not _leads(scan, start, end):
            spans[-1] = (*spans[-1][:3], end)
            waiting = end
    return spans


def _leads(scan: Scan, start: int, end: int) -> bool:
    """Korean names its targets first, so a clause without a verb belongs to the next one."""
    return any("가" <= char <= "힣" for char in scan.masked[start:end])


def _parse(scan: Scan, wish: Wish, split: Split, unknown: list[Stranger]) -> Parse:
    def first(kind: Kind) -> str:
        written = [m.written for m in split.meant if m.kind is kind]
        written += [s.written for s in unknown if s.kind is kind]
        return written[0][:MAX_NAME] if written and _clean(written[0]) else UNKNOWN

    layers = {value for m in split.meant if m.kind is Kind.LAYER for value in m.values}
    nodes = [m.written for m in split.meant if m.kind is Kind.NODE]
    nodes += [s.written for s in unknown if s.kind is Kind.NODE]
    return Parse(
        intent_type=wish.intent,
        institution=first(Kind.INSTITUTION),
        system_name=first(Kind.SYSTEM),
        infrastructure_layer="|".join(layer for layer in LAYERS if layer in layers) or UNKNOWN,
        target_nodes=tuple(dict.fromkeys(n[:MAX_NAME] for n in nodes if _clean(n)))[:MAX_LIST],
        action_sequence=_as_one(wish.steps),
        deploy_artifacts=artifacts_for(scan, wish.intent),
        requires_approval=wish.intent in CHANGING,
    )


def _as_one(steps: tuple[str, ...]) -> tuple[str, ...]:
    """Down and up again with nothing between is one restart."""
    return ("RESTART",) if steps in _DOWN_AND_UP else steps


def _clean(name: str) -> bool:
    return bool(name.strip()) and not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in name)


def artifacts_for(scan: Scan, intent: str) -> tuple[str, ...]:
    """Packages for DEPLOY, scripts for SCRIPT, as written."""
    files = [file for file in scan.files if len(file.written) <= MAX_NAME]
    if intent == "DEPLOY":
        wanted = [file for file in files if not file.script] or files
    elif intent == "SCRIPT":
        wanted = [file for file in files if file.script] or files
    else:
        return ()
    return tuple(dict.fromkeys(file.written for file in wanted))[:MAX_LIST]
