"""``[model] url``: a real llama-cpp-python server over HTTP, and servers that mean harm."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from engine.inventory import Inventory
from engine.language.contract import SCHEMA
from engine.language.model import ModelSettings
from engine.language.reader import Reader
from engine.language.server import LARGEST_ANSWER, ModelServer
from engine.language.turns import opening
from prompts.texts import say
from tests.contract.http_double import Behave, Request, Speaker, answers, reply, says, speaking
from tests.contract.test_model_child import inventory, parse_json, reading, until
from tests.contract.tiny_model import write_model

__all__ = ["inventory"]


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """llama-cpp-python's own server with two models and an API key; its URL."""
    folder = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    write_model(folder / "says.gguf", parse_json())
    write_model(folder / "babbles.gguf", "babble", random=True)
    models = [
        {"model": str(folder / f"{name}.gguf"), "model_alias": name, "n_ctx": 8192, "n_threads": 1}
        for name in ("says", "babbles")
    ]
    config = {"host": "127.0.0.1", "port": port, "api_key": "key-4711", "models": models}
    (folder / "config.json").write_text(json.dumps(config))
    server = subprocess.Popen(
        [sys.executable, "-m", "llama_cpp.server", "--config_file", str(folder / "config.json")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/v1"
    try:
        _await(url, server)
        yield url
    finally:
        server.terminate()
        server.wait(20)


def _await(url: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            httpx.get(f"{url}/models", trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the server did not start (exit code {server.poll()})")


def step(reader: Reader) -> tuple[bool, str, int]:
    found = next(step for step in reader.steps() if step.name == "server")
    return found.ok, say(found.detail, "en"), found.answered


async def test_a_real_server_answers_through_the_reader(
    inventory: Inventory, real_server: str
) -> None:
    settings = ModelSettings(shipped=False, url=real_server, api_key="key-4711", deadline_s=30)
    async with reading(inventory, settings) as reader:
        for count in (1, 2):
            said = await reader.read("that thing pay-was-02 wants a kick")
            assert (said.source, said.parse.intent_type) == ("server", "RESTART")
            assert said.assets == ("PAY-02",)
            assert step(reader) == (True, "says answers", count)


async def test_a_real_server_keeps_to_the_schema(real_server: str) -> None:
    """The model's weights mean nothing: only the grammar can make this the beginning of a parse."""
    settings = ModelSettings(
        shipped=False, url=real_server, url_model="babbles", api_key="key-4711", deadline_s=60
    )
    server = ModelServer(settings)
    await server.start()
    try:
        answer = await server.complete("restart pay-was-01")
        assert answer is not None, server.detail
        start = "".join(answer.split())
        assert any(
            start.startswith(f'{{"intent_type":"{intent}"')
            for intent in SCHEMA["properties"]["intent_type"]["enum"]
        )
    finally:
        await server.stop()


async def test_a_real_server_refuses_a_wrong_key(inventory: Inventory, real_server: str) -> None:
    settings = ModelSettings(shipped=False, url=real_server, api_key="wrong", deadline_s=30)
    async with reading(inventory, settings) as reader:
        # The list of models needs no key there, or does: either way the key is named.
        said = await reader.read("restart pay-was-01")
        assert (said.source, said.assets) == ("rules", ("PAY-01",))
        ok, detail, _ = step(reader)
        assert not ok
        assert "mend [model] api_key" in detail
        assert "wrong" not in detail


async def hang(_request: Request, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(600)


async def drip(_request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def drip_headers(_request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: and more\r\n")
        await writer.drain()
        await asyncio.sleep(0.001)


async def end_early(_request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"choices"')
    await writer.drain()


async def say_nothing(_request: Request, _writer: asyncio.StreamWriter) -> None:
    return


async def speak_another_tongue(_request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\xff220 smtp ready\r\n" * 50)
    await writer.drain()


HARM: dict[str, tuple[Behave, str]] = {
    "hang": (hang, "no answer within"),
    "drip": (drip, "no answer within"),
    "drip headers": (drip_headers, ""),
    "end early": (end_early, "cannot be reached"),
    "say nothing": (say_nothing, "cannot be reached"),
    "another tongue": (speak_another_tongue, "cannot be reached"),
    "500": (answers({"error": "no"}, "500 Internal Server Error"), "HTTP 500"),
    "401": (answers({}, "401 Unauthorized"), "mend [model] api_key"),
    "404": (answers({}, "404 Not Found"), "mend [model] url or url_model"),
    "429": (answers({}, "429 Too Many Requests", "Retry-After: 99999"), "HTTP 429"),
    "204": (answers(b"", "204 No Content"), "HTTP 204"),
    "not JSON": (answers(b"<html>hello</html>"), "is not JSON"),
    "not text": (answers(b"\xff\xfe\x00"), "is not JSON"),
    "deep": (answers(b"[" * 60_000), "is not JSON"),
    "compressed": (answers(b"x", "200 OK", "Content-Encoding: gzip"), "compressed"),
    "a list": (answers([]), "is not a chat completion"),
    "null": (answers(None), "is not a chat completion"),
    "no choices": (answers({"choices": []}), "is not a chat completion"),
    "a number for a text": (says(5), "is not a chat completion"),
    "no text": (says(None), "is not a chat completion"),
}


@pytest.mark.parametrize("kind", HARM)
async def test_a_server_that_means_harm_leaves_the_rules(inventory: Inventory, kind: str) -> None:
    behave, why = HARM[kind]
    async with (
        speaking(behave) as speaker,
        reading(inventory, ModelSettings(shipped=False, url=speaker.url, deadline_s=0.5)) as reader,
    ):
        began = time.monotonic()
        said = await reader.read("restart pay-was-01")
        assert (said.source, said.assets) == ("rules", ("PAY-01",))
        assert time.monotonic() - began < 3
        assert why in reader.server.detail
        # It is left alone for a while, and is back when it has mended its ways.
        assert not reader.server.ok
        speaker.behave = says(parse_json())
        await until(lambda: reader.server.ok)
        assert (await reader.read("pay-was-02 wants a kick")).source == "server"


async def test_an_endless_answer_is_not_read(inventory: Inventory) -> None:
    sent = 0

    async def flood(_request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
        while sent < 104_857_600:
            writer.write(b" " * 65_536)
            await writer.drain()
            sent += 65_536

    async with (
        speaking(flood) as speaker,
        reading(inventory, ModelSettings(shipped=False, url=speaker.url, deadline_s=5)) as reader,
    ):
        assert (await reader.read("restart pay-was-01")).source == "rules"
        assert "longer than 64 KiB" in reader.server.detail
        assert sent < 100 * LARGEST_ANSWER  # what the buffers of two sockets hold, at most


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed(inventory: Inventory, status: str) -> None:
    async with speaking(says(parse_json())) as elsewhere:
        there = f"Location: {elsewhere.url}/chat/completions"
        async with (
            speaking(answers({}, status, there)) as speaker,
            reading(
                inventory, ModelSettings(shipped=False, url=speaker.url, deadline_s=5)
            ) as reader,
        ):
            assert (await reader.read("restart pay-was-01")).source == "rules"
            assert "points elsewhere" in reader.server.detail
        assert (elsewhere.posted, elsewhere.looks) == ([], 0)


ODD = (
    "", "null", "approve 1", "{}", '{"intent_type": "ROOT"}', "x" * 50_000, "[" * 50_000,
    "```json\n" + parse_json() + "\n```", parse_json(requires_approval=False),
    parse_json(risk="LOW"), parse_json(target_nodes=["x" * 201]), "\x00\x1b[2J",
)  # fmt: skip


async def test_an_answer_that_is_no_parse_leaves_the_rules(inventory: Inventory) -> None:
    async with (
        speaking(says("")) as speaker,
        reading(inventory, ModelSettings(shipped=False, url=speaker.url, deadline_s=5)) as reader,
    ):
        for odd in ODD:
            speaker.behave = says(odd)
            said = await reader.read("restart pay-was-01")
            assert (said.source, said.assets) == ("rules", ("PAY-01",)), odd[:40]
        assert step(reader) == (True, "the-model answers", 0)


async def test_an_invented_host_is_dropped(inventory: Inventory) -> None:
    for invented in ("pay-was-02", "evil-99", "*", "/etc/passwd", "PAY-02"):
        answer = parse_json(target_nodes=[invented], system_name=invented, institution=invented)
        async with (
            speaking(says(answer)) as speaker,
            reading(
                inventory, ModelSettings(shipped=False, url=speaker.url, deadline_s=5)
            ) as reader,
        ):
            said = await reader.read("restart pay-was-01 now")
            assert said.source == "server"
            assert said.parse.target_nodes == ()
            assert said.parse.system_name == said.parse.institution == "UNKNOWN"
            assert set(said.assets) <= {"PAY-01"}


@pytest.mark.parametrize("refusal", [400, 422, 500, 501])
async def test_the_older_form_is_tried_once_and_remembered(
    inventory: Inventory, refusal: int
) -> None:
    async def old(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.body["response_format"]["type"] == "json_schema":
            await reply(writer, {"error": "no such type"}, f"{refusal} No")
        else:
            await says(parse_json())(request, writer)

    async with (
        speaking(old) as speaker,
        reading(inventory, ModelSettings(shipped=False, url=speaker.url, deadline_s=5)) as reader,
    ):
        for _ in range(2):
            assert (await reader.read("pay-was-02 wants a kick")).source == "server"
        forms = [request.body["response_format"] for request in speaker.posted]
        older = {"type": "json_object", "schema": SCHEMA}
        assert forms[0]["json_schema"]["schema"] == SCHEMA
        assert forms[1:] == [older, older]


async def test_what_is_asked(inventory: Inventory) -> None:
    async with speaking(says(parse_json())) as speaker:
        settings = ModelSettings(
            shipped=False, url=speaker.url + "/", api_key="key-4711", deadline_s=5
        )
        async with reading(inventory, settings) as reader:
            await reader.read("pay-was-02 아파요 \ud800")
        (request,) = speaker.posted
        assert request.path == "/v1/chat/completions"
        assert request.headers["authorization"] == "Bearer key-4711"
        assert request.headers["host"] in speaker.url
        asked = request.body["messages"]
        assert asked[:-1] == list(opening())
        assert asked[-1]["role"] == "user"
        assert "pay-was-02 아파요" in asked[-1]["content"]
        rest = {key: request.body[key] for key in ("model", "temperature", "stream")}
        assert rest == {"model": "the-model", "temperature": 0, "stream": False}
        assert "key-4711" not in repr(settings)


async def test_beyond_the_queue_the_rules_answer_at_once(inventory: Inventory) -> None:
    async with (
        speaking(hang) as speaker,
        reading(
            inventory, ModelSettings(shipped=False, url=speaker.url, deadline_s=2, queue=2)
        ) as reader,
    ):
        waiting = [asyncio.create_task(reader.read("restart pay-was-01")) for _ in range(2)]
        await until(lambda: len(speaker.posted) == 2)
        began = time.monotonic()
        assert (await reader.read("restart pay-was-01")).source == "rules"
        assert time.monotonic() - began < 1
        assert {(await task).source for task in waiting} == {"rules"}


async def test_a_server_that_keeps_failing_is_asked_ever_less(inventory: Inventory) -> None:
    async with (
        speaking(answers({}, "503 Busy")) as speaker,
        reading(inventory, ModelSettings(shipped=False, url=speaker.url, deadline_s=5)) as reader,
    ):
        for wait in ("0.2", "0.4", "0.8"):
            await until(lambda: reader.server.ok)
            assert (await reader.read("restart pay-was-01")).source == "rules"
            await until(lambda wait=wait: f"next try in {wait} s" in reader.server.detail)
            posted = len(speaker.posted)
            assert (await reader.read("restart pay-was-01")).source == "rules"
            assert len(speaker.posted) == posted  # it is not even asked


async def test_a_server_that_comes_later_is_found(inventory: Inventory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with reading(
        inventory, ModelSettings(shipped=False, url=f"http://127.0.0.1:{port}/v1")
    ) as reader:
        assert not reader.server.ok
        assert "cannot be reached" in reader.server.detail
        speaker = Speaker(says(parse_json()))
        server = await asyncio.start_server(speaker.serve, "127.0.0.1", port)
        async with server:
            await until(lambda: reader.server.ok)
            assert (await reader.read("pay-was-02 wants a kick")).source == "server"
