"""The small model's answer and the rules' reading become one reading, with a confidence.

The model says what is wanted and which of the names are meant; the rules say which assets those
names select.  Where the two part over the targets, a person is asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.inventory import Inventory
from engine.language.calibration import Calibration
from engine.language.contract import CHANGING, LAYERS, TARGETLESS, UNKNOWN, UNREAD, Parse, Reading
from engine.language.exclusion import Split
from engine.language.marks import ASK, STRANGER, Answer
from engine.language.mentions import Kind, Mention
from engine.language.names import NameIndex
from engine.language.prompt import Prompt
from engine.language.questions import ask_if_sure, ask_which_reading
from engine.language.resolve import Doubt, Selection, select
from engine.language.rules import Understood, question_for, read_as

_NAMED = {Kind.NODE, Kind.SYSTEM, Kind.INSTITUTION, Kind.LAYER}
_LEAST, _MOST = -6.0, 8.0


@dataclass(frozen=True)
class Named:
    """An inventory with its names."""

    inventory: Inventory
    index: NameIndex

    def select(self, split: Split, intent: str, unknown: tuple[str, ...] = ()) -> Selection:
        """What the mentions select."""
        return select(self.inventory, self.index, split, intent, unknown)


@dataclass(frozen=True)
class Judged:
    """The model's answer beside the rules' reading."""

    parse: Parse
    chosen: Selection
    """What would be selected, or the doubt."""
    rivals: tuple[tuple[str, ...], ...]
    """The selections between which a person has to choose; empty where there is one."""
    features: tuple[float, float, float, float]
    """What the confidence is made of, in the order of ``Calibration.weights``."""


def request_for(rules: Understood, prompt: Prompt, calibration: Calibration) -> dict[str, Any]:
    """What the child is asked: the pieces, the names' marks, the rules' reading as a draft."""
    intent = rules.parse.intent_type
    return {
        "opening": ASK,
        "pieces": [[piece.text, piece.mark] for piece in prompt.pieces],
        "marked": vars(prompt.marked),
        "draft": draft(rules, prompt).pieces(),
        "bias": dict(calibration.rules.get(intent, {})),
        "trust": calibration.trust,
    }


def draft(rules: Understood, prompt: Prompt) -> Answer:
    """The rules' reading in the model's words."""
    parse, meant = rules.parse, rules.split.meant
    answer = Answer(parse.intent_type, steps=parse.action_sequence)
    if parse.intent_type in TARGETLESS:
        return answer
    strange = (STRANGER,) if rules.unknown else ()
    nodes = prompt.marks_of(meant, Kind.NODE)
    return replace(
        answer,
        institutions=prompt.marks_of(meant, Kind.INSTITUTION),
        systems=(*strange, *prompt.marks_of(meant, Kind.SYSTEM)),
        layers=_layers(parse),
        nodes=nodes,
        files=tuple(m for m, f in prompt.files.items() if f.written in parse.deploy_artifacts),
    )


def _layers(parse: Parse) -> tuple[str, ...]:
    known = parse.infrastructure_layer
    return () if known == UNKNOWN else tuple(known.split("|"))


def judge(
    reply: Mapping[str, Any],
    rules: Understood,
    prompt: Prompt,
    names: Named,
    calibration: Calibration,
) -> Judged:
    """Hold a reply against the rules. Raises ValueError where it is no filled form."""
    bias = calibration.rules.get(rules.parse.intent_type, {})
    try:
        answer = Answer.read(reply["pieces"])
        chances: list[dict[str, float]] = reply["chances"]
        likely = _posterior(chances[0], bias)[answer.intent]
        sure_names = min((max(each.values()) for each in chances[1:]), default=0.0)
        if not (0 < likely <= 1 and -math.inf < sure_names < 1e-6):
            raise ValueError("a chance that is none")
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"the model's reply is not a filled form: {error!r}") from None
    same_intent = float(answer.intent == rules.parse.intent_type)
    under = read_as(rules, answer.intent, names.inventory, names.index)
    parse = _parse(answer, under)
    chosen, rivals, agreed = _targets(answer, under, prompt, names, sure_names >= calibration.alone)
    odds = _clip(math.log(likely) - math.log(max(1e-9, 1 - likely)))
    name_odds = _clip(sure_names - math.log(max(1e-9, 1 - math.exp(min(-1e-9, sure_names)))))
    return Judged(parse, chosen, rivals, (odds, same_intent, name_odds, float(agreed)))


def _clip(value: float) -> float:
    return max(_LEAST, min(_MOST, value))


def _posterior(chances: Mapping[str, float], bias: Mapping[str, float]) -> dict[str, float]:
    weighed = {piece: chance + bias.get(piece, 0.0) for piece, chance in chances.items()}
    top = max(weighed.values())
    total = sum(math.exp(each - top) for each in weighed.values())
    return {piece: math.exp(each - top) / total for piece, each in weighed.items()}


def _parse(answer: Answer, rules: Understood) -> Parse:
    """The rules' parse under the model's intent, with the model's steps."""
    return replace(rules.parse, action_sequence=answer.steps)


def _targets(
    answer: Answer, rules: Understood, prompt: Prompt, names: Named, sure: bool
) -> tuple[Selection, tuple[tuple[str, ...], ...], bool]:
    """The selection, the rival selections, and whether the model and the rules agree.

    ``rules`` were read under the model's intent.
    """
    intent = answer.intent
    if intent in TARGETLESS:
        return Selection(), (), True
    by_rules = names.select(rules.split, intent, rules.unknown)
    if by_rules.assets and rules.question is not None:
        by_rules = Selection(doubt=Doubt.WHICH_ASSET, candidates=by_rules.assets)
    picked = Split(_meant(answer, rules, prompt), rules.split.ruled_out)
    by_model = names.select(picked, intent)
    if answer.stranger:
        by_model = Selection(doubt=Doubt.UNKNOWN_NAME, candidates=by_model.assets)
    if by_model.assets == by_rules.assets:
        return by_rules, (), bool(by_model.doubt) == bool(by_rules.doubt)
    if by_model.assets and by_rules.assets:
        return by_model, (by_model.assets, by_rules.assets), False
    if by_rules.doubt and sure and not rules.unknown:
        return by_model, (), False
    return (by_rules if by_rules.doubt else by_model), (), False


def _meant(answer: Answer, rules: Understood, prompt: Prompt) -> list[Mention]:
    """The mentions that the model picked, and the numbers and environments of the rules."""
    marks = (*answer.institutions, *answer.systems, *answer.nodes)
    picked = [mention for mark in marks for mention in prompt.mentions.get(mark, ())]
    layers = set(answer.layers)
    found = [m for m in rules.scan.of(Kind.LAYER) if layers & set(m.values)]
    unseen = layers - {value for mention in found for value in mention.values}
    found += [Mention(Kind.LAYER, 0, 0, (layer,), layer) for layer in LAYERS if layer in unseen]
    rest = [m for m in rules.split.meant if m.kind not in _NAMED]
    return sorted([*picked, *found, *rest], key=lambda mention: mention.start)


def verdict(
    judged: Judged,
    rules: Understood,
    names: Named,
    calibration: Calibration,
) -> Reading:
    """The reading. A change that is not sure enough, or has rival targets, becomes a question."""
    parse, intent = judged.parse, judged.parse.intent_type
    confidence = round(calibration.confidence(judged.features), 4)
    if intent in TARGETLESS:
        if intent == "OTHER" and rules.parse.intent_type == "OTHER":
            confidence = rules.confidence if rules.confidence <= UNREAD else confidence
        return Reading(parse, (), None, confidence, "model")
    if rules.several and len(set(parse.action_sequence)) > 1:
        return Reading(parse, (), rules.question, confidence, "model")
    if judged.rivals:
        question = ask_which_reading((intent, assets) for assets in judged.rivals)
        return Reading(parse, (), question, confidence, "model")
    asked = question_for(names.inventory, names.index, judged.chosen, intent)
    assets = judged.chosen.assets
    line = calibration.ask_below if intent in CHANGING else calibration.look_below
    if asked is None and confidence < line:
        sure = ask_if_sure(intent, rules.parse.intent_type, assets)
        return Reading(parse, (), sure, confidence, "model")
    return Reading(parse, assets, asked, confidence, "model")
