"""A model's parse held against the message: it picks among names, it makes none."""

from __future__ import annotations

from dataclasses import replace

from engine.inventory import Inventory
from engine.language.contract import CHANGING, TARGETLESS, UNKNOWN, UNREAD, Parse, Reading
from engine.language.exclusion import Split
from engine.language.fold import fold
from engine.language.mentions import Kind, Mention
from engine.language.names import NameIndex
from engine.language.questions import ask_if_sure, ask_which_reading
from engine.language.resolve import select
from engine.language.rules import Understood, artifacts_for, question_for, read_as

ASK_BELOW = 0.6
"""Readings below this confidence are asked about, never acted on."""
_NAMED = {Kind.NODE, Kind.SYSTEM, Kind.INSTITUTION}


def ground(parse: Parse, rules: Understood, inventory: Inventory, index: NameIndex) -> Reading:
    """The reading of a model's parse. A name that the message does not hold is dropped.

    Where the model and the rules select different assets for a change, a person is asked.
    """
    confidence, by_words = _confidence(parse, rules), rules.parse.intent_type
    rules = read_as(rules, parse.intent_type, inventory, index)
    parse, picked, unknown = _in_words(parse, rules, index)
    if parse.intent_type in TARGETLESS:
        return Reading(parse, (), None, confidence, "model")
    if rules.several:
        return Reading(parse, (), rules.question, confidence, "model")
    split = Split(_meant(parse, picked, rules), rules.split.ruled_out)
    strangers = tuple(dict.fromkeys((*unknown, *rules.unknown)))
    selection = select(inventory, index, split, parse.intent_type, strangers)
    by_rules = select(inventory, index, rules.split, parse.intent_type, rules.unknown)
    if not picked and not unknown:
        selection = by_rules
    differ = selection.assets and by_rules.assets and selection.assets != by_rules.assets
    if differ and parse.intent_type in CHANGING:
        readings = [(parse.intent_type, s.assets) for s in (selection, by_rules)]
        return Reading(parse, (), ask_which_reading(readings), confidence, "model")
    question = question_for(inventory, index, selection, parse.intent_type)
    if question is None and confidence < ASK_BELOW:
        sure = ask_if_sure(parse.intent_type, by_words, selection.assets)
        return Reading(parse, (), sure, confidence, "model")
    return Reading(parse, selection.assets, question, confidence, "model")


def _in_words(
    parse: Parse, rules: Understood, index: NameIndex
) -> tuple[Parse, list[Mention], list[str]]:
    """The parse less invented names, the mentions it picks, and names nobody knows."""
    said = fold(rules.scan.folded.raw).replace(" ", "")
    picked: list[Mention] = []
    unknown: list[str] = []

    def keep(name: str) -> bool:
        key = fold(name).replace(" ", "")
        if name == UNKNOWN or not key or key not in said:
            return False
        mentions = [m for m in rules.scan.mentions if _same(m, key) and m.kind in _NAMED]
        picked.extend(mentions)
        if not mentions and index.entry(name) is None:
            unknown.append(name)
        return bool(mentions) or index.entry(name) is None

    nodes = tuple(name for name in parse.target_nodes if keep(name))
    system = parse.system_name if keep(parse.system_name) else UNKNOWN
    institution = parse.institution if keep(parse.institution) else UNKNOWN
    grounded = replace(
        parse,
        target_nodes=nodes,
        system_name=system,
        institution=institution,
        deploy_artifacts=artifacts_for(rules.scan, parse.intent_type),
    )
    return grounded, picked, unknown


def _same(mention: Mention, key: str) -> bool:
    return fold(mention.written).replace(" ", "") == key


def _meant(parse: Parse, picked: list[Mention], rules: Understood) -> list[Mention]:
    """What the model picked, with the words that narrow it."""
    layers = (
        set()
        if parse.infrastructure_layer == UNKNOWN
        else set(parse.infrastructure_layer.split("|"))
    )
    rest = [m for m in rules.split.meant if m.kind not in _NAMED]
    if layers:
        rest = [m for m in rest if m.kind is not Kind.LAYER]
        rest += [m for m in rules.scan.of(Kind.LAYER) if layers & set(m.values)]
    unique = {id(m): m for m in (*picked, *rest)}
    return sorted(unique.values(), key=lambda mention: mention.start)


def _confidence(parse: Parse, rules: Understood) -> float:
    """Agreement is worth most; a change that the rules read otherwise is asked about."""
    if parse.intent_type == rules.parse.intent_type:
        # Two that see no work in a plain request have not understood it.
        return rules.confidence if rules.confidence <= UNREAD else 0.95
    if parse.intent_type in CHANGING and rules.parse.intent_type != "OTHER":
        return 0.55
    return 0.7
