"""Reading words: the shipped model's own decoder beside llama-cpp-python's JSON-schema grammar.

Both use the same file, prompts and one thread, and take turns message by message.  Then the
whole way, text to reading, through the child process with inventories of 50 and 50,000 assets.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from typing import Any

import llama_cpp
from llama_cpp.llama_grammar import LlamaGrammar

from engine.inventory import Asset, Institution, Inventory, System
from engine.language.calibration import Calibration
from engine.language.contract import LAYER_CHOICES, SCHEMA, UNKNOWN
from engine.language.guided import CONTEXT, open_model
from engine.language.marks import ANSWER, ASK, END, SPECIAL, Answer
from engine.language.model import ModelSettings
from engine.language.prompt import make_prompt
from engine.language.reader import Reader
from engine.language.rules import understand
from engine.language.shipped import SHIPPED
from engine.language.verdict import Judged, Named, judge, request_for
from tests.unit.language.table import Hunted, hunted, inventory

LAYERS = ("WAS", "WEB", "DB")


def measure() -> dict[str, Any]:
    """Milliseconds and shares right of both decoders, then of the whole way."""
    figures: dict[str, Any] = {"decoders": _decoders()}
    for size in (50, 50_000):
        figures[f"assets_{size}"] = asyncio.run(_whole_way(size))
    figures["start_ms"] = statistics.median(asyncio.run(_start()) for _ in range(5))
    return figures


def _open() -> Any:
    return llama_cpp.Llama(
        str(SHIPPED), n_ctx=CONTEXT, n_batch=CONTEXT, n_threads=1, n_threads_batch=1, verbose=False
    )


def _decoders() -> dict[str, float]:
    ours, theirs = open_model(SHIPPED), _open()
    calibration = Calibration.from_json(ours.calibration)
    grammar = LlamaGrammar.from_json_schema(json.dumps(SCHEMA), verbose=False)
    spent: dict[str, list[float]] = {"ours": [], "grammar": []}
    right = {"ours": 0, "grammar": 0, "messages": 0}
    for sentence in hunted():
        names = Named(*inventory(sentence.inventory))
        rules = understand(sentence.text, names.inventory, names.index)
        prompt = make_prompt(rules.scan)
        request = request_for(rules, prompt, calibration)
        right["messages"] += 1
        began = time.perf_counter()
        reply = ours.read(request)
        spent["ours"].append(time.perf_counter() - began)
        judged = judge(reply, rules, prompt, names, calibration)
        right["ours"] += _is_right(judged, sentence)
        began = time.perf_counter()
        text = _by_grammar(theirs, request, grammar)
        spent["grammar"].append(time.perf_counter() - began)
        answer = _answer(text)
        if answer is not None:
            reply = {"pieces": answer.pieces(), "chances": [{answer.intent: 0.0}]}
            judged = judge(reply, rules, prompt, names, calibration)
            right["grammar"] += _is_right(judged, sentence)
    return {
        **{f"{who}_p50_ms": _at(times, 0.5) for who, times in spent.items()},
        **{f"{who}_p99_ms": _at(times, 0.99) for who, times in spent.items()},
        **right,
    }


def _is_right(judged: Judged, sentence: Hunted) -> bool:
    got = () if judged.rivals else judged.chosen.assets
    return judged.parse.intent_type in sentence.intents and got in sentence.assets


def _by_grammar(model: Any, request: dict[str, Any], grammar: Any) -> str:
    """What llama-cpp-python's own sampler writes for the same prompt."""
    tokens = list(model.tokenize(ASK.encode(), add_bos=False, special=True))
    for text, is_mark in request["pieces"]:
        tokens += [SPECIAL.index(text)] if is_mark else _plain(model, text)
    tokens += model.tokenize(ANSWER.encode(), add_bos=False, special=True)
    reply = model.create_completion(
        tokens, grammar=grammar, max_tokens=160, temperature=0.0, stop=[END]
    )
    return str(reply["choices"][0]["text"])


def _plain(model: Any, text: str) -> list[int]:
    found: list[int] = model.tokenize(text.encode(), add_bos=False, special=False)
    return found


def _answer(text: str) -> Answer | None:
    """The grammar's JSON in the model's words; None where it is no parse."""
    try:
        said = json.loads(text)
        layers = said["infrastructure_layer"]
        assert layers in LAYER_CHOICES
        return Answer(
            said["intent_type"],
            _split(said["institution"]),
            _split(said["system_name"]),
            _split(layers),
            tuple(said["target_nodes"]),
            tuple(said["action_sequence"]),
            tuple(said["deploy_artifacts"]),
        )
    except (ValueError, KeyError, AssertionError):
        return None


def _split(joined: str) -> tuple[str, ...]:
    return () if joined == UNKNOWN else tuple(joined.split("|"))


def _at(times: Sequence[float], share: float) -> float:
    return round(sorted(times)[min(len(times) - 1, int(share * len(times)))] * 1000, 2)


def big_inventory(size: int) -> Inventory:
    """So many assets, five to a system, two systems to an organisation."""
    institutions, systems, assets = {}, {}, {}
    for number in range(size):
        at, owner = f"S{number // 5}", f"I{number // 10}"
        institutions[owner] = Institution(owner, (f"기관{number // 10}", f"Agency {number // 10}"))
        systems[at] = System(at, owner, (f"업무{number // 5}시스템", f"line{number // 5} system"))
        layer = LAYERS[number % 3]
        code = f"A{number}-{layer}"
        host = f"line{number // 5}-{layer.lower()}-{number % 5:02d}"
        assets[code] = Asset(code, at, layer, "PRD", host, "tomcat")
    return Inventory(institutions, systems, assets)


async def _whole_way(size: int) -> dict[str, float]:
    reader = Reader(big_inventory(size), ModelSettings(deadline_s=10))
    await reader.start()
    try:
        texts = []
        for number in range(300):
            system, host = (number * 7) % (size // 5), f"line{(number * 3) % (size // 5)}-was-00"
            texts += [
                f"기관{system // 2} 업무{system}시스템 WAS 재기동해줘",
                f"please restart {host}, it hangs since the deploy",
                f"請看一下 {host} 的日誌",
                f"업무{system}시스템 디비 상태 좀 봐주세요",
            ]
        spent = []
        for text in texts:
            began = time.perf_counter()
            reading = await reader.read(text)
            spent.append(time.perf_counter() - began)
            assert reading.source == "model"
        return {"p50_ms": _at(spent, 0.5), "p99_ms": _at(spent, 0.99)}
    finally:
        await reader.stop()


async def _start() -> float:
    reader = Reader(big_inventory(50), ModelSettings(deadline_s=10))
    began = time.perf_counter()
    await reader.start()
    try:
        reading = await reader.read("업무1시스템 재기동")
        assert reading.source == "model"
        return round((time.perf_counter() - began) * 1000, 1)
    finally:
        await reader.stop()
