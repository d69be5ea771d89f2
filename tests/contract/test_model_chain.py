"""The chain: model file → model server → rules → "I could not read this", each link cut in turn."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from engine.inventory import Inventory
from engine.language.model import SEND_ELSEWHERE, ModelSettings
from engine.language.reader import Reader
from prompts.texts import say
from tests.attacks.doors import Doors
from tests.attacks.stage import Stage
from tests.contract.http_double import answers, says, speaking
from tests.contract.test_model_child import inventory, parse_json, reading, until
from tests.contract.tiny_model import write_model

__all__ = ["inventory"]

KICK = "that thing pay-was-02 wants a kick"


def counts(reader: Reader) -> dict[str, int]:
    return {step.name: step.answered for step in reader.steps()}


async def test_each_link_fails_in_turn(inventory: Inventory, tmp_path: Path) -> None:
    path = write_model(tmp_path / "tiny.gguf", parse_json())
    async with speaking(says(parse_json(system_name="payments"))) as speaker:
        settings = ModelSettings(path, deadline_s=2, url=speaker.url)
        async with reading(inventory, settings) as reader:
            assert reader.model.stays_local
            assert reader.server.stays_local
            assert (await reader.read(KICK)).source == "model"
            assert speaker.posted == []  # the first that answers is enough

            assert reader.model.pid is not None
            os.kill(reader.model.pid, signal.SIGKILL)
            await until(lambda: not reader.model.ok)
            assert (await reader.read(KICK)).source == "server"
            assert (await reader.read("restart pay-was-01")).source == "server"

            speaker.behave = answers({}, "503 Busy")
            await until(lambda: reader.model.ok)
            os.kill(reader.model.pid, signal.SIGSTOP)  # hangs, then the server fails as well
            said = await reader.read("restart pay-was-01")
            assert (said.source, said.assets) == ("rules", ("PAY-01",))
            assert not reader.server.ok

            # The model is back by itself; taken away again, nobody is left for odd words.
            await until(lambda: reader.model.ok and reader.model.pid is not None)
            os.kill(reader.model.pid, signal.SIGKILL)
            await until(lambda: not reader.model.ok)
            said = await reader.read("please give payments the usual treatment")
            assert said.unread
            assert said.assets == ()
            assert counts(reader) == {"model": 1, "server": 2, "rules": 1, "unread": 1}


async def test_an_answer_that_is_no_parse_goes_on_to_the_server(
    inventory: Inventory, tmp_path: Path
) -> None:
    path = write_model(tmp_path / "tiny.gguf", parse_json(requires_approval=False))
    async with speaking(says(parse_json())) as speaker:
        settings = ModelSettings(path, deadline_s=10, url=speaker.url)
        async with reading(inventory, settings) as reader:
            said = await reader.read(KICK)
            assert (said.source, said.assets) == ("server", ("PAY-02",))
            assert (reader.model.ok, reader.server.ok) == (True, True)


async def test_a_model_file_that_is_missing_leaves_the_server(
    inventory: Inventory, tmp_path: Path
) -> None:
    async with speaking(says(parse_json())) as speaker:
        settings = ModelSettings(tmp_path / "none.gguf", deadline_s=5, url=speaker.url)
        async with reading(inventory, settings) as reader:
            assert (await reader.read(KICK)).source == "server"
            assert [step.ok for step in reader.steps()] == [False, True, True, True]


async def test_without_any_model_the_chain_is_whole(inventory: Inventory) -> None:
    async with reading(inventory, ModelSettings(shipped=False)) as reader:
        assert [(step.name, step.ok, say(step.detail, "en")) for step in reader.steps()] == [
            ("model", True, "no model file configured"),
            ("server", True, "no server configured"),
            ("rules", True, "ready, 8 names"),
            ("unread", True, "the person is told what to write instead"),
        ]


async def test_two_that_see_no_work_in_a_request_have_not_read_it(inventory: Inventory) -> None:
    other = parse_json(
        intent_type="OTHER", target_nodes=[], action_sequence=[], requires_approval=False
    )
    async with (
        speaking(says(other)) as speaker,
        reading(inventory, ModelSettings(shipped=False, url=speaker.url, deadline_s=5)) as reader,
    ):
        assert (await reader.read("please give payments the usual treatment")).unread
        thanks = await reader.read("thanks, great work!")
        assert (thanks.source, thanks.unread) == ("server", False)


def test_a_server_that_may_be_anywhere_gets_nothing_private(inventory: Inventory) -> None:
    settings = ModelSettings(
        shipped=False, url="https://models.example/v1", allow_remote_server=SEND_ELSEWHERE
    )
    reader = Reader(inventory, settings)
    assert reader.model.stays_local
    assert not reader.server.stays_local


async def test_the_running_bot_shows_each_step(tmp_path: Path) -> None:
    async with speaking(answers({}, "503 Busy")) as speaker:
        table = f'[model]\nshipped = false\nurl = "{speaker.url}"\ndeadline_s = 5.0\n'
        async with Stage(tmp_path, "called", table) as stage, Doors(stage) as doors:
            await doors.messenger.says("min", "please give pay-stg-01 the usual treatment")
            await stage.settled()
            assert len(speaker.posted) >= 1
            checks = (await stage.http.get("/readyz")).json()["checks"]
            shown = {name: check for name, check in checks.items() if name.startswith("words: ")}
            assert list(shown) == [f"words: {n}" for n in ("model", "server", "rules", "unread")]
            assert shown["words: unread"]["detail"].endswith("; messages read: 1")
            assert (await stage.http.get("/readyz")).status_code == 200
            names = {say(link.name, "en") for link in stage.app.services.links()}
            assert set(shown) <= names
            told = [say(link.detail, "ko") for link in stage.app.services.links()]
            assert "대신 어떻게 쓰면 되는지 안내합니다, 읽은 메시지 1건" in told
            assert "설정된 모델 파일 없음, 읽은 메시지 0건" in told
            assert any("다시 시도" in line for line in told), "the server's state, in their words"
            assert await stage.all_actions() == []
