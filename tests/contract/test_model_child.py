"""The model's child process: answers, hangs, dies, is fed bad files; the rules always carry on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from engine.inventory import Inventory, load_inventory
from engine.language.model import ModelSettings
from engine.language.reader import Reader
from prompts.texts import say
from tests.contract.tiny_model import write_model

_INVENTORY = """
[[institution]]
code = "ACME"
names = ["Acme"]
[[system]]
code = "ACME-PAY"
institution = "ACME"
names = ["payments"]
[[asset]]
code = "PAY-01"
system = "ACME-PAY"
layer = "WAS"
environment = "PRD"
host = "pay-was-01"
service = "pay"
[[asset]]
code = "PAY-02"
system = "ACME-PAY"
layer = "WAS"
environment = "PRD"
host = "pay-was-02"
service = "pay"
"""


def parse_json(**fields: Any) -> str:
    parse = {
        "intent_type": "RESTART",
        "institution": "UNKNOWN",
        "system_name": "UNKNOWN",
        "infrastructure_layer": "UNKNOWN",
        "target_nodes": ["pay-was-02"],
        "action_sequence": ["RESTART"],
        "deploy_artifacts": [],
        "requires_approval": True,
    }
    return json.dumps({**parse, **fields}, ensure_ascii=False, separators=(",", ":"))


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    path = tmp_path / "inventory.toml"
    path.write_text(_INVENTORY, encoding="utf-8")
    return load_inventory(path)


@asynccontextmanager
async def reading(inventory: Inventory, settings: ModelSettings) -> AsyncIterator[Reader]:
    reader = Reader(inventory, settings)
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


async def until(true: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a real process to get somewhere."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


def model_step(reader: Reader) -> tuple[bool, str]:
    step = next(step for step in reader.steps() if step.name == "model")
    return step.ok, say(step.detail, "en")


async def test_the_model_answers(inventory: Inventory, tmp_path: Path) -> None:
    path = write_model(tmp_path / "tiny.gguf", parse_json())
    digest = sha256(path.read_bytes()).hexdigest()
    async with reading(inventory, ModelSettings(path, digest, deadline_s=10)) as reader:
        assert model_step(reader) == (True, "tiny.gguf loaded")
        said = await reader.read("that thing pay-was-02 wants a kick")
        assert (said.source, said.parse.intent_type, said.assets) == (
            "model",
            "RESTART",
            ("PAY-02",),
        )


async def test_a_name_that_is_not_in_the_message_is_dropped(
    inventory: Inventory, tmp_path: Path
) -> None:
    path = write_model(tmp_path / "tiny.gguf", parse_json())
    async with reading(inventory, ModelSettings(path, deadline_s=10)) as reader:
        said = await reader.read("please restart it")
        assert said.source == "model"
        assert said.parse.target_nodes == ()
        assert said.assets == ()
        assert said.question is not None


async def test_model_and_rules_at_odds_about_a_change_is_a_question(
    inventory: Inventory, tmp_path: Path
) -> None:
    path = write_model(tmp_path / "tiny.gguf", parse_json())
    async with reading(inventory, ModelSettings(path, deadline_s=10)) as reader:
        said = await reader.read("restart pay-was-01 and pay-was-02")
        assert said.source == "model"
        assert said.assets == ()
        assert said.question is not None
        assert {choice.assets for choice in said.question.choices} == {
            ("PAY-02",),
            ("PAY-01", "PAY-02"),
        }


async def test_what_is_ruled_out_stays_out_whatever_the_model_says(
    inventory: Inventory, tmp_path: Path
) -> None:
    path = write_model(tmp_path / "tiny.gguf", parse_json())
    async with reading(inventory, ModelSettings(path, deadline_s=10)) as reader:
        said = await reader.read("restart payments except pay-was-02")
        assert "PAY-02" not in said.assets


@pytest.mark.parametrize(
    "answer",
    [
        parse_json(requires_approval=False),
        parse_json(target_nodes=["x" * 201]),
    ],
)
async def test_an_answer_outside_the_contract_leaves_the_rules(
    inventory: Inventory, tmp_path: Path, answer: str
) -> None:
    path = write_model(tmp_path / "tiny.gguf", answer)
    async with reading(inventory, ModelSettings(path, deadline_s=10)) as reader:
        said = await reader.read("restart pay-was-01")
        assert (said.source, said.assets) == ("rules", ("PAY-01",))


async def test_a_babbling_model_leaves_the_rules(inventory: Inventory, tmp_path: Path) -> None:
    path = write_model(tmp_path / "tiny.gguf", "babble", random=True)
    async with reading(inventory, ModelSettings(path, deadline_s=30)) as reader:
        assert model_step(reader) == (True, "tiny.gguf loaded")
        said = await reader.read("restart pay-was-01")
        assert (said.source, said.assets) == ("rules", ("PAY-01",))
        assert model_step(reader) == (True, "tiny.gguf loaded")


async def test_a_hanging_child_ends_at_the_deadline_and_is_replaced(
    inventory: Inventory, tmp_path: Path
) -> None:
    path = write_model(tmp_path / "tiny.gguf", parse_json())
    async with reading(inventory, ModelSettings(path, deadline_s=0.5)) as reader:
        first = reader.model.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        began = time.monotonic()
        said = await reader.read("restart pay-was-01")
        assert time.monotonic() - began < 3
        assert (said.source, said.assets) == ("rules", ("PAY-01",))
        assert not model_step(reader)[0]
        await until(lambda: reader.model.ok and reader.model.pid not in (None, first))
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


async def test_a_killed_child_is_restarted(inventory: Inventory, tmp_path: Path) -> None:
    path = write_model(tmp_path / "tiny.gguf", parse_json())
    async with reading(inventory, ModelSettings(path, deadline_s=10)) as reader:
        first = reader.model.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: reader.model.ok and reader.model.pid not in (None, first))
        said = await reader.read("pay-was-02 wants a kick")
        assert (said.source, said.assets) == ("model", ("PAY-02",))


async def test_beyond_the_queue_the_rules_answer_at_once(
    inventory: Inventory, tmp_path: Path
) -> None:
    path = write_model(tmp_path / "tiny.gguf", parse_json())
    async with reading(inventory, ModelSettings(path, deadline_s=3, queue=2)) as reader:
        assert reader.model.pid is not None
        os.kill(reader.model.pid, signal.SIGSTOP)
        waiting = [asyncio.create_task(reader.read("restart pay-was-01")) for _ in range(2)]
        await asyncio.sleep(0)
        began = time.monotonic()
        said = await reader.read("restart pay-was-01")
        assert time.monotonic() - began < 1
        assert said.source == "rules"
        assert {(await task).source for task in waiting} == {"rules"}


async def test_the_child_sees_no_secret(
    inventory: Inventory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-canary-4711")
    path = write_model(tmp_path / "tiny.gguf", parse_json())
    async with reading(inventory, ModelSettings(path)) as reader:
        environment = Path(f"/proc/{reader.model.pid}/environ").read_bytes()
        assert b"canary" not in environment
        names = {entry.split(b"=")[0].decode() for entry in environment.split(b"\0") if entry}
        assert names <= {"PATH", "LANG", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE", "OMP_NUM_THREADS"}


async def test_the_child_has_a_bound_on_memory(inventory: Inventory, tmp_path: Path) -> None:
    path = write_model(tmp_path / "tiny.gguf", parse_json())
    async with reading(inventory, ModelSettings(path)) as reader:
        limits = Path(f"/proc/{reader.model.pid}/limits").read_text()
        bound = next(line for line in limits.splitlines() if line.startswith("Max address space"))
        assert str(4096 * 1024 * 1024) in bound
    async with reading(inventory, ModelSettings(path, memory_mb=48)) as reader:
        assert not model_step(reader)[0]
        assert (await reader.read("restart pay-was-01")).assets == ("PAY-01",)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:9000])


def _flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[8:24] = bytes(byte ^ 0xFF for byte in raw[8:24])  # the counts of tensors and keys
    path.write_bytes(raw)


def _text(path: Path) -> None:
    path.write_text("not a model")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_cut, "damaged"),
        (_flip, "tiny.gguf"),
        (_text, "not a GGUF file"),
        (Path.unlink, "No such file"),
    ],
)
async def test_a_bad_file_is_told_and_the_rules_carry_on(
    inventory: Inventory, tmp_path: Path, spoil: Callable[[Path], None], says: str
) -> None:
    path = write_model(tmp_path / "tiny.gguf", parse_json())
    spoil(path)
    async with reading(inventory, ModelSettings(path)) as reader:
        ok, detail = model_step(reader)
        assert not ok
        assert says in detail or "process ended" in detail
        said = await reader.read("restart pay-was-01")
        assert (said.source, said.assets) == ("rules", ("PAY-01",))


async def test_another_file_than_the_pinned_one_is_refused(
    inventory: Inventory, tmp_path: Path
) -> None:
    path = write_model(tmp_path / "tiny.gguf", parse_json())
    async with reading(inventory, ModelSettings(path, sha256="0" * 64)) as reader:
        ok, detail = model_step(reader)
        assert not ok
        assert "SHA-256" in detail
        assert reader.model.pid is None


async def test_without_a_model_the_chain_is_whole(inventory: Inventory) -> None:
    async with reading(inventory, ModelSettings(shipped=False)) as reader:
        assert model_step(reader) == (True, "no model file configured")
        assert (await reader.read("restart pay-was-01")).source == "rules"


def test_a_missing_library_is_told(tmp_path: Path) -> None:
    (tmp_path / "llama_cpp.py").write_text("raise ImportError('no such library')\n")
    order = {"path": "x.gguf", "memory_mb": 2048, "deadline_s": 1, "threads": 1}
    child = subprocess.run(
        [sys.executable, "-m", "engine.language.model_child"],
        input=json.dumps(order) + "\n",
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        timeout=60,
        check=False,
    )
    assert child.returncode == 1
    assert "llama-cpp-python is not installed" in json.loads(child.stdout)["failed"]
