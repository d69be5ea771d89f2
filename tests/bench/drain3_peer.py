"""drain3 grouping the same lines, with its defaults. Runs in drain3's own virtual environment.

Reads {system: lines} as JSON from standard input; prints the group of each line and the seconds.
"""

from __future__ import annotations

import json
import sys
import time

from drain3 import TemplateMiner


def main() -> None:
    answer = {}
    for system, lines in json.load(sys.stdin).items():
        miner = TemplateMiner()
        begun = time.perf_counter()
        groups = [miner.add_log_message(line)["cluster_id"] for line in lines]
        answer[system] = {"groups": groups, "seconds": time.perf_counter() - begun}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
