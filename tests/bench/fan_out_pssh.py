"""One round of the fan-out figures with parallel-ssh, in its own environment: a script alone.

``python fan_out_pssh.py KEY PORT HOSTS_AT_ONCE OUTPUT COMMAND ADDRESS…`` prints one line of JSON.
It checks no host keys: parallel-ssh's native client has no way to.
"""

from __future__ import annotations

import json
import sys
import time

from pssh.clients import ParallelSSHClient

key, port, at_once, output, command, *addresses = sys.argv[1:]
begun, cpu = time.perf_counter(), time.process_time()
client = ParallelSSHClient(
    addresses, user="ops", port=int(port), pkey=key, pool_size=int(at_once), allow_agent=False
)
answers = client.run_command(command)
client.join(answers)
for answer in answers:
    assert list(answer.stdout) == output.split("|") and answer.exit_code == 0, answer
seconds = time.perf_counter() - begun
spent = (time.process_time() - cpu) * 1000 / len(addresses)
print(json.dumps({"cold_s": seconds, "cold_cpu_ms": spent}))
