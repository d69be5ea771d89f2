"""Every hostile value through every door: nothing of it reaches a host, nothing of it may run.

The planner refuses each value in each slot (tests/unit/test_hostile_slots.py).  Here it is the
doors' turn: what markup, quotes, forms and JSON make of a value must not turn it into a legal one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from handlers.replies import draw
from prompts.texts import LANGUAGES
from storage.actions import Action
from storage.lifecycle import State
from tests.attacks.doors import NAMES, Doors, in_batches
from tests.attacks.stage import Stage
from tests.unit.hostile_values import HOSTILE

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Lines that a person types; each value stands in each of them somewhere, in turn.
LINES = (
    "/autoq run server_restart {}",
    "/autoq run log_collect PAY-WAS-01 path={}",
    "/autoq run log_collect PAY-WAS-01 lines={}",
    "/ws autoq run script_exec PAY-WAS-01 script={}",
    "/autoq run script_exec PAY-WAS-01 script=rotate.sh args={}",
    "/autoq run {} PAY-WAS-01",
    "/autoq run server_restart PAY-WAS-01 {}",
    "/approve {}",
    "/why {}",
)
WORDS = ("restart {} now", "{} 재기동해줘", "pay-was-01 로그 {} 보여줘", "請重啟 {}")

#: Types that only look. A value whose quotes or line end a typed line rightly takes away ("200\n")
#: may leave a legal word of theirs, which then runs; what changes something waits for a person.
LOOKS = {"log_collect", "service_status", "disk_status", "memory_status", "db_lock_status"}
SAFE_WORD = re.compile(r"[A-Za-z0-9._:/@=+,{}-]+", re.ASCII)
PROGRAMS = {"systemctl", "docker", "journalctl", "realpath", "tail", "df", "free"}


def legal(argv: list[str]) -> bool:
    """Whether an argv is one of ours, by rules of its own: the judge does not ask the product."""
    program, *rest = argv
    if program not in PROGRAMS and not re.fullmatch(r"\.watchstander/[0-9a-f]{64}", program):
        return False
    if not all(SAFE_WORD.fullmatch(word) for word in rest):
        return False
    after = rest[rest.index("--") + 1 :] if "--" in rest else []
    paths = [word for word in rest if word.startswith("/")]
    return (
        all(path.startswith("/var/log/") and "/." not in path for path in paths)
        and not any(word.startswith("-") for word in after)
        and not any(".." in word.split("/") for word in rest)
    )


def judge_action(action: Action) -> None:
    """An action that a value brought about says plainly what it is, or does not wait to run."""
    for step in action.plan["steps"]:
        assert legal(step["argv"]), (action.id, step["argv"])
    if action.type not in LOOKS:
        assert action.state is State.PENDING_APPROVAL, (action.id, action.plan["steps"])


def hides(letter: str) -> bool:
    """Controls, directions, halves: all that a card must not hold. Joiners are part of words."""
    category = unicodedata.category(letter)
    return category in ("Cc", "Cf", "Cs", "Zl", "Zp") and letter not in "\n\t\u200c\u200d"


async def judge_answers(stage: Stage, since: int) -> int:
    """Every answer is short, and shows nothing unseen in any language; gives how many."""
    answers = (await stage.answers())[since:]
    for kind, body in answers:
        if kind != "whisper":
            continue
        for language in LANGUAGES:
            words = draw(body, language, [""] * len(body.get("choices", ()))).seen().text
            assert len(words) < 2500, words[:200]
            assert not any(hides(letter) for letter in words), (language, ascii(words))
    return sum(kind == "whisper" for kind, _ in answers)


@pytest.mark.parametrize("way", NAMES)
async def test_typed_lines(stage: Stage, doors: Doors, way: str) -> None:
    before, since = len(await stage.all_actions()), len(await stage.answers())
    turn = NAMES.index(way)
    work = (
        doors[way].types("min", LINES[(number + turn) % len(LINES)].format(value))
        for number, value in enumerate(HOSTILE)
    )
    await in_batches(work)
    await stage.settled(60)
    await _judge(stage, before)
    assert await judge_answers(stage, since) >= len(HOSTILE) * 0.8


@pytest.mark.parametrize("way", NAMES)
async def test_words(stage: Stage, doors: Doors, way: str) -> None:
    """Half of the values in each room; every value in two rooms."""
    before, since = len(await stage.all_actions()), len(await stage.answers())
    turn = NAMES.index(way)
    work = (
        doors[way].says("min", WORDS[(number // 2 + turn) % len(WORDS)].format(value))
        for number, value in enumerate(HOSTILE)
        if number % 2 == turn % 2
    )
    await in_batches(work)
    await stage.settled(60)
    await _judge(stage, before)
    assert await judge_answers(stage, since) >= len(HOSTILE) * 0.4


async def _judge(stage: Stage, before: int) -> None:
    for action in (await stage.all_actions())[before:]:
        judge_action(action)
    for line in stage.ledger():
        _, *argv = line.split(" ")
        assert legal(argv), line
        assert argv[0] in ("realpath", "tail", "journalctl", "systemctl"), line
        assert " restart " not in line
        assert " stop " not in line


REST = (
    ("server_restart", None, {}),
    ("log_collect", ["PAY-WAS-01"], {"path": "{}"}),
    ("log_collect", ["PAY-WAS-01"], {"lines": "{}"}),
    ("account_disable", ["PAY-WAS-01"], {"account": "{}"}),
    ("script_exec", ["PAY-WAS-01"], {"script": "{}"}),
    ("script_exec", ["PAY-WAS-01"], {"script": "rotate.sh", "args": ["{}"]}),
    ("bulk_sr_update", ["SR-20261120-0001"], {"op": "{}", "value": "x"}),
    ("server_restart", ["PAY-WAS-01"], {"{}": "x"}),
    (None, ["PAY-WAS-01"], {}),
)


def _fill(raw: Any, value: str) -> Any:
    if isinstance(raw, dict):
        return {_fill(k, value): _fill(v, value) for k, v in raw.items()}
    if isinstance(raw, list):
        return [_fill(item, value) for item in raw]
    return value if raw == "{}" else raw


async def test_rest(plain_stage: Stage) -> None:
    """JSON trims nothing: here not one value makes an action, in three slots each."""
    headers = await plain_stage.bearer("min") | {"Content-Type": "application/json"}
    before = await plain_stage.counts()
    for number, value in enumerate(HOSTILE):
        for turn in range(3):
            action, targets, params = REST[(3 * number + turn + number // 3) % len(REST)]
            body = {
                "action_type": action or value,
                "targets": [value] if targets is None else targets,
                "params": _fill(params, value),
            }
            answer = await plain_stage.http.post(
                "/api/auto/queue", content=json.dumps(body).encode(), headers=headers
            )
            assert answer.status_code in (413, 422), (body, answer.text)
            message = answer.json()["message"]
            assert len(message) < 2500
            assert message.replace("\n", "").isprintable(), ascii(message)
    assert await plain_stage.counts() == before
    assert plain_stage.ledger() == []


async def test_the_command_line(plain_stage: Stage, tmp_path: Path) -> None:
    """``watchstander plan`` plans nothing hostile either."""
    lines = []
    for value in HOSTILE:
        for action, targets, params in REST:
            lines.append(
                {
                    "action": action or value,
                    "targets": [value] if targets is None else targets,
                    "params": _fill(params, value),
                }
            )
    file = tmp_path / "hostile.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    inventory = plain_stage.folder / "inventory.toml"
    done = subprocess.run(
        [sys.executable, "-m", "bot", "plan", "--inventory", inventory, "--jsonl", file],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(lines), done.stderr[-500:]
    for line, answer in zip(lines, answers, strict=True):
        assert "refused" in answer, line
        assert answer["message"].replace("\n", "").isprintable()
