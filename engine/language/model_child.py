"""The child process that holds the model: ``python -m engine.language.model_child``.

It reads one JSON line with its orders, then one line per message, and writes one line for each.
llama_cpp is imported in this process only.  A crash, a hang or a hostile file stays in here.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TextIO

from engine.language.gguf_header import has_key
from engine.language.gguf_keys import READER_KEY

_LOAD_CPU_S = 600


class Decoder(Protocol):
    """A loaded model, whichever its kind."""

    told: Mapping[str, Any]
    """What the parent has to know of it."""

    def answer(self, said: str) -> str:
        """The model's raw text for a message. What it raises is told as an error."""


def main() -> int:
    """Serve until the input ends. Exit code 1 when the model cannot be loaded."""
    out = _private_output()
    order = json.loads(sys.stdin.readline())
    _limit(order["memory_mb"])
    try:
        decoder = _load(order)
    except Exception as error:  # noqa: BLE001 - the boundary of a process: whatever a file does is told
        _say(out, {"failed": _reason(error)})
        return 1
    _say(out, {"ready": True, "told": dict(decoder.told)})
    for line in sys.stdin:
        request = json.loads(line)
        _allow_cpu(order["deadline_s"] * order["threads"])
        try:
            reply = {"answer": decoder.answer(request["text"])}
        except Exception as error:  # noqa: BLE001 - one message must not end the process
            reply = {"error": _reason(error)}
        _say(out, {"id": request["id"], **reply})
    return 0


def _private_output() -> TextIO:
    """Answers go out on a descriptor of their own: native code may print on the usual one."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def _limit(memory_mb: int) -> None:
    """Bounds that hold for everything the file may make native code do."""
    size = memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    _allow_cpu(_LOAD_CPU_S)


def _allow_cpu(seconds: float) -> None:
    """So much processor time from now on; a runaway ends even if nobody is left to stop it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    until = math.ceil(usage.ru_utime + usage.ru_stime + seconds) + 2
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (until, hard))


def _load(order: dict[str, Any]) -> Decoder:
    """The file's model, by the module for its kind. Raises RuntimeError with the mend."""
    try:
        importlib.import_module("llama_cpp")
    except ImportError:
        raise RuntimeError(
            "llama-cpp-python is not installed; install it (pip install 'watchstander[model]')"
        ) from None
    own = "guided" if has_key(Path(order["path"]), READER_KEY) else "instruct"
    kind = order["kind"] or own
    module = importlib.import_module(f"engine.language.{kind}")
    try:
        decoder: Decoder = module.load(order)
    except ValueError as error:
        raise RuntimeError(
            f"{error} (damaged, cut short, too big for [model] memory_mb, or newer than the "
            "installed llama-cpp-python)"
        ) from None
    return decoder


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def _say(out: TextIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


if __name__ == "__main__":
    sys.exit(main())
