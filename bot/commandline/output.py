"""What the commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable


class Failure(Exception):
    """The command cannot do it. ``lines`` are for the operator: what, where, the mend."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def result(line: str) -> None:
    """A line that another program may read."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def remark(*lines: str) -> None:
    """Lines for the person at the terminal."""
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()


def results(lines: Iterable[str]) -> None:
    """Several lines that another program may read."""
    for line in lines:
        result(line)


def as_json(value: object, indent: int | None = None) -> str:
    """JSON as people read it; escaped where standard output has no room for every character."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    narrow = encoding.lower().replace("-", "").replace("_", "") != "utf8"
    return json.dumps(value, ensure_ascii=narrow, indent=indent)


def leave() -> int:
    """The status when whoever read our lines has gone, as ``| head`` does after enough of them."""
    # What is still to be flushed at the end of the process must not fail once more.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
