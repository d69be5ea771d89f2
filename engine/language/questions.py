"""One question with answers to choose from, for each kind of doubt."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from engine.inventory import ENVIRONMENTS, Asset, Inventory
from engine.language.contract import LAYERS, MAX_CHOICES, TARGETLESS, Choice, Question
from engine.language.names import Entry, NameIndex
from engine.language.resolve import Doubt, Selection
from prompts.texts import Text, text

_NAMES_SHOWN = 3


def ask(inventory: Inventory, index: NameIndex, selection: Selection, intent: str) -> Question:
    """The question that a doubt leads to; it always says what is missing."""
    names = list(selection.names[:_NAMES_SHOWN])
    doubt = selection.doubt or Doubt.WHICH_SYSTEM
    if doubt is Doubt.UNKNOWN_NAME:
        choices = _near(inventory, index, selection, intent)
        return Question(text("language_unknown_name", names=names, near=bool(choices)), choices)
    if doubt is Doubt.WHICH_SYSTEM:
        choices = _systems(inventory, index, selection, selection.candidates, intent)
        return Question(text("language_which_system", names=names), choices)
    if doubt is Doubt.WHICH_INSTITUTION:
        systems = dict.fromkeys(inventory.assets[c].system for c in selection.candidates)
        choices = _systems(inventory, index, selection, systems, intent)
        return Question(text("language_which_institution", names=names), choices)
    if doubt is Doubt.WHICH_ASSET:
        members = selection.candidates[:MAX_CHOICES]
        choices = tuple(asset_choice(inventory.assets[code], intent) for code in members)
    else:
        choices = _assets(inventory, selection, selection.candidates, intent)
    if doubt is Doubt.NO_SUCH:
        return Question(text("language_no_such", names=names), choices)
    return Question(text(f"language_{doubt}"), choices)


def ask_which_wish(wishes: Iterable[tuple[str, tuple[str, ...]]]) -> Question:
    """Different intents on different targets: each is a choice."""
    choices = tuple(Choice(_step(intent, assets), intent, assets) for intent, assets in wishes)
    return Question(text("language_two_wishes"), choices[:MAX_CHOICES])


def ask_which_reading(readings: Iterable[tuple[str, tuple[str, ...]]]) -> Question:
    """The model and the rules read the targets differently: a person says which it is."""
    choices = tuple(Choice(_step(intent, assets), intent, assets) for intent, assets in readings)
    return Question(text("language_two_readings"), choices[:MAX_CHOICES])


def ask_if_sure(intent: str, by_rules: str, assets: tuple[str, ...]) -> Question:
    """The reading is not sure enough: it is offered, and what the rules read if that is work."""
    others = (by_rules,) if by_rules not in TARGETLESS else ()
    offered = dict.fromkeys((intent, *others))
    return Question(
        text("language_sure"), tuple(Choice(_step(one, assets), one, assets) for one in offered)
    )


def asset_choice(asset: Asset, intent: str) -> Choice:
    """One asset to choose, with its container or host where that says more than its code."""
    where = asset.container or asset.host
    label = asset.code if where.lower() == asset.code.lower() else f"{asset.code} ({where})"
    return Choice(label, intent, (asset.code,))


def _step(intent: str, assets: tuple[str, ...]) -> Text:
    shown = [*assets[:_NAMES_SHOWN], *(["…"] if len(assets) > _NAMES_SHOWN else [])]
    return text("language_choice_step", intent=text(f"language_do_{intent.lower()}"), names=shown)


def _fitting(
    inventory: Inventory, selection: Selection, codes: Iterable[str], *, strict: bool = False
) -> list[str]:
    """The assets that are what else is named; if not strict, else those that come nearest to it."""
    given = list(codes)
    for fits in selection.fits[: 1 if strict else None]:
        fitting = [code for code in given if fits(inventory.assets[code])]
        if fitting or strict:
            return fitting
    return given


def _assets(
    inventory: Inventory, selection: Selection, codes: Iterable[str], intent: str
) -> tuple[Choice, ...]:
    fitting = _fitting(inventory, selection, codes)
    return tuple(asset_choice(inventory.assets[code], intent) for code in fitting[:MAX_CHOICES])


def _systems(
    inventory: Inventory,
    index: NameIndex,
    selection: Selection,
    codes: Iterable[str],
    intent: str,
) -> tuple[Choice, ...]:
    """A choice for each system that has something in the layer and environment that are named."""
    narrowed = (
        (code, sorted(_fitting(inventory, selection, index.by_system[code], strict=True)))
        for code in codes
    )
    choices = (
        _system_choice(inventory, code, assets, index.by_system[code], intent)
        for code, assets in narrowed
        if assets
    )
    return tuple(islice(choices, MAX_CHOICES))


def _system_choice(
    inventory: Inventory, code: str, assets: list[str], full: list[str], intent: str
) -> Choice:
    system = inventory.systems[code]
    institution = inventory.institutions[system.institution]
    label = text(
        "language_choice_system",
        name=" ".join((system.names[0], *_narrowed_to(inventory, assets, full))),
        institution=institution.names[0],
        count=len(assets),
    )
    return Choice(label, intent, tuple(assets))


def _narrowed_to(inventory: Inventory, codes: list[str], full: list[str]) -> list[str]:
    """The layers and environments of a part, where the whole has others: "WAS", "PRD"."""
    said = []
    for known, fact in ((LAYERS, "layer"), (ENVIRONMENTS, "environment")):
        part = {getattr(inventory.assets[code], fact) for code in codes}
        if part != {getattr(inventory.assets[code], fact) for code in full}:
            said.append("|".join(each for each in known if each in part))
    return said


def _near(
    inventory: Inventory, index: NameIndex, selection: Selection, intent: str
) -> tuple[Choice, ...]:
    """What is spelled alike, and the members of the system that stands beside an unknown word."""
    entries: dict[str, Entry] = {}
    for name in selection.names[:_NAMES_SHOWN]:
        for entry in index.nearest(name, MAX_CHOICES):
            entries.setdefault(entry.key, entry)
    choices: dict[tuple[str, ...], Choice] = {}
    for choice in _assets(inventory, selection, selection.candidates, intent):
        choices.setdefault(choice.assets, choice)
    for entry in entries.values():
        if entry.nodes:
            fitting = _fitting(inventory, selection, entry.nodes, strict=True)
            found = _assets(inventory, selection, fitting, intent)
        else:
            systems = _systems_of(inventory, entry)
            found = _systems(inventory, index, selection, systems, intent)
        for choice in found:
            choices.setdefault(choice.assets, choice)
    return tuple(choices.values())[:MAX_CHOICES]


def _systems_of(inventory: Inventory, entry: Entry) -> list[str]:
    return entry.systems or [
        system.code
        for system in inventory.systems.values()
        if system.institution in entry.institutions
    ]
