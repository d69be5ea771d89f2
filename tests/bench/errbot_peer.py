"""Errbot doing the same echo, among 50 commands. Runs in Errbot's own virtual environment.

It uses Errbot's test backend: messages go in and come out through queues in memory, so nothing is
kept and no network is involved. Prints one line of JSON.
"""

from __future__ import annotations

import json
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path

PLUGIN = """
from errbot import BotPlugin, botcmd

class Fifty(BotPlugin):
    @botcmd
    def say(self, msg, args):
        return args
"""

DUMMY = """
    @botcmd
    def filler{n}(self, msg, args):
        return args
"""

DESCRIPTION = """
[Core]
Name = Fifty
Module = fifty
[Python]
Version = 3
"""


def main(events: int) -> None:
    from errbot.backends.test import TestBot

    folder = Path(tempfile.mkdtemp())
    source = PLUGIN + "".join(DUMMY.format(n=n) for n in range(49))
    (folder / "fifty.py").write_text(source)
    (folder / "fifty.plug").write_text(DESCRIPTION)
    bot = TestBot(extra_plugin_dir=str(folder), loglevel=logging.ERROR)
    bot.start()
    singles = []
    for number in range(200):
        begun = time.perf_counter()
        bot.push_message(f"!say {number}")
        assert bot.pop_message(timeout=10) == str(number)
        singles.append((time.perf_counter() - begun) * 1000)
    begun = time.perf_counter()
    for number in range(events):
        bot.push_message(f"!say {number}")
    replies = {bot.pop_message(timeout=30) for _ in range(events)}
    took = time.perf_counter() - begun
    # Under load some replies of the test backend are an error of its own; they are counted.
    wrong = events - len(replies & {str(number) for number in range(events)})
    cuts = statistics.quantiles(singles, n=100)
    print(
        json.dumps(
            {"per_second": events / took, "p50_ms": cuts[49], "p99_ms": cuts[98], "wrong": wrong}
        )
    )
    sys.stdout.flush()
    bot.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]))
