"""One question with answers to choose from, for each kind of doubt."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from engine.inventory import Asset, Inventory
from engine.language.contract import MAX_CHOICES, Choice, Question
from engine.language.names import Entry, NameIndex
from engine.language.resolve import Doubt, Selection
from prompts.texts import Text, text

_NAMES_SHOWN = 3


def ask(inventory: Inventory, index: NameIndex, selection: Selection, intent: str) -> Question:
    """The question that a doubt leads to; it always says what is missing."""
    names = list(selection.names[:_NAMES_SHOWN])
    doubt = selection.doubt or Doubt.WHICH_SYSTEM
    if doubt is Doubt.UNKNOWN_NAME:
        choices = _near(inventory, index, names, intent)
        return Question(text("language_unknown_name", names=names, near=bool(choices)), choices)
    if doubt is Doubt.WHICH_SYSTEM:
        choices = _systems(inventory, index, selection.candidates, intent)
        return Question(text("language_which_system", names=names), choices)
    if doubt is Doubt.WHICH_INSTITUTION:
        systems = dict.fromkeys(inventory.assets[c].system for c in selection.candidates)
        choices = _systems(inventory, index, systems, intent)
        return Question(text("language_which_institution", names=names), choices)
    choices = tuple(
        asset_choice(inventory.assets[code], intent) for code in selection.candidates[:MAX_CHOICES]
    )
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


def asset_choice(asset: Asset, intent: str) -> Choice:
    where = asset.container or asset.host
    label = asset.code if where.lower() == asset.code.lower() else f"{asset.code} ({where})"
    return Choice(label, intent, (asset.code,))


def _step(intent: str, assets: tuple[str, ...]) -> Text:
    shown = [*assets[:_NAMES_SHOWN], *(["…"] if len(assets) > _NAMES_SHOWN else [])]
    return text("language_choice_step", intent=text(f"language_do_{intent.lower()}"), names=shown)


def _systems(
    inventory: Inventory, index: NameIndex, codes: Iterable[str], intent: str
) -> tuple[Choice, ...]:
    choices = [
        _system_choice(inventory, code, sorted(index.by_system[code]), intent)
        for code in islice((code for code in codes if index.by_system[code]), MAX_CHOICES)
    ]
    return tuple(choices)


def _system_choice(inventory: Inventory, code: str, assets: list[str], intent: str) -> Choice:
    system = inventory.systems[code]
    institution = inventory.institutions[system.institution]
    label = text(
        "language_choice_system",
        name=system.names[0],
        institution=institution.names[0],
        count=len(assets),
    )
    return Choice(label, intent, tuple(assets))


def _near(
    inventory: Inventory, index: NameIndex, names: list[str], intent: str
) -> tuple[Choice, ...]:
    entries: dict[str, Entry] = {}
    for name in names:
        for entry in index.nearest(name, MAX_CHOICES):
            entries.setdefault(entry.key, entry)
    choices: dict[tuple[str, ...], Choice] = {}
    for entry in entries.values():
        if entry.nodes:
            for code in entry.nodes[:MAX_CHOICES]:
                choices.setdefault((code,), asset_choice(inventory.assets[code], intent))
        else:
            for choice in _systems(inventory, index, _systems_of(inventory, entry), intent):
                choices.setdefault(choice.assets, choice)
    return tuple(choices.values())[:MAX_CHOICES]


def _systems_of(inventory: Inventory, entry: Entry) -> list[str]:
    return entry.systems or [
        system.code
        for system in inventory.systems.values()
        if system.institution in entry.institutions
    ]
