"""What the commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

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
