"""What is broken on a make-believe machine: a file in its home says so, one fault a line.

``tomcat`` = the service is down until it is started or restarted, and the line goes with it;
``tomcat stays`` = it is down whatever is done; ``disk 97`` = /data is 97 % full;
``no docker`` = the program is not installed.
"""

from __future__ import annotations

from pathlib import Path

FILE = "failing"


class DemoFaults:
    """Reads the file anew each time, so that a fault begins when it is written."""

    def __init__(self, home: Path) -> None:
        self._file = home / FILE

    def failing(self, service: str) -> bool:
        """Whether the unit or container is down by fault."""
        return any(line and line[0] == service for line in self._lines())

    def mend(self, service: str) -> bool:
        """Start the service anew. False: it stays down."""
        lines = self._lines()
        hit = [line for line in lines if line and line[0] == service]
        if any(line[1:] == ["stays"] for line in hit):
            return False
        if hit:
            left = [" ".join(line) for line in lines if line not in hit]
            self._file.write_text("".join(f"{line}\n" for line in left), encoding="utf-8")
        return True

    def missing(self, program: str) -> bool:
        """Whether a program is not installed."""
        return ["no", program] in self._lines()

    def disk(self) -> int | None:
        """How full /data is made to be, in percent; None = as usual."""
        for line in self._lines():
            if len(line) == 2 and line[0] == "disk" and line[1].isdecimal():
                return min(int(line[1]), 100)
        return None

    def _lines(self) -> list[list[str]]:
        try:
            return [line.split() for line in self._file.read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError):
            # None there, which is the rule, or nothing that could be read as one.
            return []
