"""A model on an OpenAI-compatible server as a part: asked over HTTP, left alone while it fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any

import httpx

from engine.language.local_address import LocalTransport, NotLocal, Resolve, resolve
from engine.language.model import ModelSettings
from engine.language.turns import Task, reading
from prompts.texts import Text, say, text
from storage import failpoints

_log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 300.0
"""Between two tries the wait doubles from the first to the longest."""
LOOK_EVERY_S = 30.0
"""Seconds between looks at a server that works."""
START_WAIT_S = 3.0
"""Seconds that ``start`` waits for the first look, and that any look may take."""
LARGEST_ANSWER = 64 * 1024
"""Bytes of an answer that are read; a parse takes about one thousand."""
_ANSWER_TOKENS = 512
_AT_ONCE = 4
_NAME_LIMIT = 200

_NOT_KNOWN = frozenset({400, 422, 500, 501})
"""Answers to a form that is not known; llama-cpp-python says 500."""


class _Down(Exception):
    """The server cannot be used now; the text says why."""


class _FormRefused(_Down):
    """It may be the form of the request that the server does not know."""


class ModelServer:
    """Asks the server. When anything goes wrong the answer is None; ``detail`` says why.

    ``look_up`` resolves host names; the addresses are checked before each connection.
    """

    def __init__(
        self, settings: ModelSettings, look_up: Resolve = resolve, task: Task | None = None
    ) -> None:
        self.settings = settings
        self._task = task or reading()
        self._forms = _forms(self._task)
        self._look_up = look_up
        self._client: httpx.AsyncClient | None = None
        self._up = False
        self._condition = text("link_not_started" if settings.url else "link_server_none")
        self._model = settings.url_model
        self._form = 0
        self._waiting = 0
        self._answered = 0
        self._looked = asyncio.Event()
        self._failed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def ok(self) -> bool:
        """False while a configured server does not answer."""
        return self._up or not self.settings.url

    @property
    def condition(self) -> Text:
        """How it is, for operators."""
        return self._condition

    @property
    def detail(self) -> str:
        """``condition`` in English, for logs and the command line."""
        return say(self._condition, "en")

    @property
    def stays_local(self) -> bool:
        """Whether every message stays on local addresses; what is private needs this."""
        return not self.settings.allow_remote_server

    async def start(self) -> None:
        """Look at the server and wait a little for it; a failure is kept as ``detail``."""
        if not self.settings.url or self._keeper is not None:
            return
        anywhere = bool(self.settings.allow_remote_server) and self.settings.url.startswith("https")
        # No proxy, certificate file or password from the environment.
        inner = httpx.AsyncHTTPTransport(
            trust_env=False, limits=httpx.Limits(max_connections=_AT_ONCE)
        )
        self._client = httpx.AsyncClient(
            transport=LocalTransport(inner, self._look_up, anywhere=anywhere),
            headers=self._headers(),
            # For each read; the deadlines below are for a whole exchange.
            timeout=max(self.settings.deadline_s, START_WAIT_S),
            follow_redirects=False,
            trust_env=False,
        )
        self._keeper = asyncio.create_task(self._keep(), name="model server")
        with contextlib.suppress(TimeoutError):
            # Not wait_for: on Python 3.11 it can lose a stop that comes with the answer.
            async with asyncio.timeout(START_WAIT_S):
                await self._looked.wait()

    async def stop(self) -> None:
        """Stop looking and close the connections."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        self._up, self._condition = False, text("link_stopped")

    async def complete(self, said: str) -> str | None:
        """The model's raw text for a message; None when it has none in time."""
        if not self._up or self._waiting >= self.settings.queue:
            return None
        self._waiting += 1
        try:
            async with asyncio.timeout(self.settings.deadline_s):
                answer = await self._ask(said)
        except TimeoutError:
            self._fail(text("link_no_answer", seconds=f"{self.settings.deadline_s:g}"))
            return None
        except _Down as error:
            self._fail(text("link_trouble", why=str(error)))
            return None
        finally:
            self._waiting -= 1
        self._answered += 1
        return answer

    async def _ask(self, said: str) -> str:
        """The answer's text, in the first form of request that the server takes."""
        body = {
            "model": self._model,
            "messages": [*self._task.turns, {"role": "user", "content": said}],
            "temperature": 0,
            "max_tokens": _ANSWER_TOKENS,
            "stream": False,
        }
        form = self._form
        try:
            reply = await self._exchange("POST", "chat/completions", body, form)
        except _FormRefused:
            if len(self._forms) == 1:
                raise
            form = 1 - form
            reply = await self._exchange("POST", "chat/completions", body, form)
        content = _content(reply)
        self._form = form  # remembered only when it was answered
        return content

    async def _exchange(
        self, method: str, path: str, body: dict[str, Any] | None = None, form: int = 0
    ) -> Any:
        """The decoded JSON of one answer. Raises _Down."""
        client = self._client
        if client is None:
            raise _Down("stopped")
        content = None if body is None else _encoded({**body, **self._forms[form]})
        url = f"{self.settings.url.rstrip('/')}/{path}"
        try:
            failpoints.before("server.ask")
            async with client.stream(method, url, content=content) as response:
                _check(response, posted=content is not None)
                raw = await _read(response)
            failpoints.after("server.ask")
        except NotLocal as error:
            raise _Down(str(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise _Down(f"cannot be reached ({type(error).__name__}: {error})") from None
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            raise _Down("its answer is not JSON; is [model] url the address of the API?") from None

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self.settings.api_key:
            headers["Authorization"] = f"Bearer {self.settings.api_key}"
        return headers

    def _fail(self, why: Text) -> None:
        if self._up:
            self._up, self._condition = False, why
            self._failed.set()

    async def _keep(self) -> None:
        """Look at the server now and then; wait longer after each failure in a row."""
        wait = FIRST_WAIT_S
        while True:
            answered = self._answered
            await self._look()
            self._looked.set()
            while self._up:
                # Not wait_for: in Python 3.11 it can lose a stop that comes with a failure.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._failed.wait()
                if self._up:
                    await self._look()
            if self._answered > answered:
                wait = FIRST_WAIT_S  # it worked for a while
            self._condition = text("link_server_retry", why=self._condition, seconds=f"{wait:g}")
            _log.warning("model server: %s", self.detail)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT_S)

    async def _look(self) -> None:
        """Ask which models there are, and take the server as up when it says."""
        try:
            async with asyncio.timeout(START_WAIT_S):
                names = _names(await self._exchange("GET", "models"))
        except TimeoutError:
            self._up = False
            self._condition = text("link_no_answer", seconds=f"{START_WAIT_S:g}")
        except _Down as error:
            self._up, self._condition = False, text("link_trouble", why=str(error))
        else:
            self._model = self.settings.url_model or next(iter(names), "")
            self._failed.clear()
            self._up = True
            self._condition = text(
                "link_server_up", model=self._model, anywhere=not self.stays_local
            )


def _forms(task: Task) -> tuple[dict[str, Any], ...]:
    """What a request may say of the form of its answer, the first that works is kept."""
    if task.schema is None:
        return ({},)
    strict = {"name": "parse", "strict": True, "schema": task.schema}
    return (
        # OpenAI's own form, known to vLLM, Ollama and llama.cpp's server …
        {"response_format": {"type": "json_schema", "json_schema": strict}},
        # … and the older one, the only one that llama-cpp-python's server knows.
        {"response_format": {"type": "json_object", "schema": task.schema}},
    )


def _encoded(body: dict[str, Any]) -> bytes:
    """JSON in ASCII, so that half a surrogate pair in a message is no error."""
    return json.dumps(body).encode("ascii")


def _check(response: httpx.Response, *, posted: bool) -> None:
    """Raises _Down for every answer but a plain 200."""
    status = response.status_code
    if posted and status in _NOT_KNOWN:
        raise _FormRefused(f"refuses a message (HTTP {status})")
    if status in (401, 403):
        raise _Down(f"refuses the key (HTTP {status}); mend [model] api_key")
    if status == 404:
        raise _Down("knows no such model or address (HTTP 404); mend [model] url or url_model")
    if response.is_redirect:
        raise _Down("points elsewhere (a redirect), which is not followed; mend [model] url")
    if status != 200:
        raise _Down(f"answers with HTTP {status}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _Down("sends a compressed answer, which was not asked for")


async def _read(response: httpx.Response) -> bytes:
    raw = b""
    async for chunk in response.aiter_raw():
        raw += chunk
        if len(raw) > LARGEST_ANSWER:
            raise _Down(f"its answer is longer than {LARGEST_ANSWER // 1024} KiB")
    return raw


def _content(reply: Any) -> str:
    """The text of the first choice. Raises _Down for any other shape."""
    try:
        content = reply["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        content = None
    if not isinstance(content, str):
        raise _Down("its answer is not a chat completion")
    return content


def _names(reply: Any) -> list[str]:
    """The names of the models that a server lists. Raises _Down for any other shape."""
    listed = reply.get("data") if isinstance(reply, dict) else None
    if not isinstance(listed, list):
        raise _Down("its list of models is not a list; is [model] url the address of the API?")
    names = [model.get("id") for model in listed if isinstance(model, dict)]
    return [n for n in names if isinstance(n, str) and n.isprintable() and len(n) <= _NAME_LIMIT]
