"""A make-believe machine for the demo: it answers the commands that Watchstander sends.

Nothing of the machine it runs on is touched.  The few files it has hold links that lead from one
log to another and links that lead out of the logs, as real machines do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from engine.execution.demo_faults import DemoFaults
from engine.inventory import Asset

_SCRIPTS = ".watchstander/"


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    status: int = 0
    stdout: str = ""
    stderr: str = ""


class DemoMachine:
    """One host: its units and containers with their state, its accounts and its files."""

    def __init__(self, host: str, assets: Iterable[Asset], home: Path) -> None:
        self._host = host
        self._home = home
        self._units = {"sshd": True, "cron": True}
        self._containers: dict[str, bool] = {}
        self._projects: dict[tuple[str, str], str] = {}
        self._faults = DemoFaults(home)
        self._locked: set[str] = set()
        self._files: dict[str, list[str]] = {}
        self._links = {"/var/log/outside": "/etc", "/var/log/shadow.log": "/etc/shadow"}
        self._journal: dict[str, list[str]] = {}
        self._put("/etc/shadow", ["root:*:20000:0:99999:7:::"])
        self._put("/var/log/syslog", _log_lines(host, "kernel", 60))
        for asset in assets:
            self._add(asset)
        self._programs: dict[str, Callable[[Sequence[str]], Answer]] = {
            "systemctl": self._systemctl,
            "docker": self._docker,
            "journalctl": self._journalctl,
            "df": lambda _: Answer(0, _df(self._faults.disk())),
            "free": lambda _: Answer(0, _FREE),
            "realpath": self._realpath,
            "tail": self._tail,
            "sha256sum": self._sha256sum,
            "usermod": self._usermod,
            "psql": lambda _: Answer(0, _PSQL),
            "mysql": lambda _: Answer(0, _MYSQL),
            "hostname": lambda _: Answer(0, f"{host}\n"),
        }

    def run(self, argv: Sequence[str]) -> Answer:
        """Answer one command; 127 for one that is not installed."""
        if not argv:
            return Answer(127, "", "sh: no command\n")
        if argv[0].startswith(_SCRIPTS):
            return self._script(argv)
        program = self._programs.get(argv[0])
        if program is None or self._faults.missing(argv[0]):
            return Answer(127, "", f"sh: {argv[0]}: command not found\n")
        return program(argv[1:])

    def _add(self, asset: Asset) -> None:
        name = asset.container or asset.service
        lines = _log_lines(self._host, name, 400)
        if asset.container:
            self._containers[name] = True
            if asset.compose:
                self._projects[asset.compose, asset.compose_service or name] = name
        else:
            self._units[name] = True
        self._journal[name] = lines
        self._put(f"/var/log/{name}/{name}.log", lines)
        self._links[f"/var/log/{name}/current"] = f"/var/log/{name}/{name}.log"

    def _put(self, path: str, lines: list[str]) -> None:
        self._files[path] = lines

    def _systemctl(self, words: Sequence[str]) -> Answer:
        verb, names = _verb(words)
        if not names:
            return Answer(1, "", "systemctl: too few arguments\n")
        name = names[0].removesuffix(".service")
        known = name in self._units
        if verb in ("restart", "start", "stop"):
            if not known:
                return Answer(5, "", f"Failed to {verb} {name}.service: Unit not found.\n")
            if not self._turn(self._units, name, verb):
                return Answer(1, "", f"Job for {name}.service failed, see its journal.\n")
            return Answer()
        if verb not in ("is-active", "status", "show"):
            return Answer(1, "", f"Unknown command verb {verb}.\n")
        state = self._state(name)
        running = state == "active"
        if verb == "is-active":
            return Answer(0 if running else 3, f"{state}\n")
        if verb == "show":
            return Answer(0, _properties(name, state))
        load = "loaded" if known else "not-found"
        body = f"● {name}.service\n     Loaded: {load}\n     Active: {state}\n"
        return Answer((0 if running else 3) if known else 4, body)

    def _state(self, name: str) -> str:
        if not self._units.get(name):
            return "inactive"
        return "failed" if self._faults.failing(name) else "active"

    def _docker(self, words: Sequence[str]) -> Answer:
        if words[:2] == ["compose", "--project-directory"]:
            return self._compose(words[2:])
        return self._container(words)

    def _container(self, words: Sequence[str]) -> Answer:
        verb, names = _verb(words, valued=("--tail", "-n"))
        if verb == "ps":
            rows = [f"{n}\t{'Up' if self._up(n) else 'Exited'}" for n in self._containers]
            return Answer(0, "\n".join(["NAMES\tSTATUS", *rows]) + "\n")
        if not names or names[0] not in self._containers:
            wanted = names[0] if names else ""
            return Answer(1, "", f"Error response from daemon: No such container: {wanted}\n")
        name, rest = names[0], names[1:]
        if verb in ("restart", "start", "stop"):
            if not self._turn(self._containers, name, verb):
                return Answer(1, "", f"Error response from daemon: cannot {verb} {name}\n")
            return Answer(0, f"{name}\n")
        if verb == "logs":
            return Answer(0, _last(self._journal[name], words, ("--tail", "-n")))
        if verb == "inspect":
            state = "running exit=0" if self._up(name) else "exited exit=137"
            return Answer(0, f"/{name} {state} oom=false health=none restarts=0 since={_SINCE}\n")
        if verb == "exec" and rest and rest[0] in ("psql", "mysql"):
            return self.run(rest)
        return Answer(1, "", f"docker: {verb} is not a docker command here\n")

    def _compose(self, words: Sequence[str]) -> Answer:
        folder, verb, *rest = [*words, "", ""]
        project = [one for one in self._projects if one[0] == folder]
        if not project:
            return Answer(14, "", "no configuration file provided: not found\n")
        container = self._projects.get((folder, rest[1] if rest[:1] == ["--"] else rest[0]))
        if verb != "restart" or container is None:
            return Answer(1, "", "no such service\n")
        if not self._turn(self._containers, container, verb):
            return Answer(1, "", f" Container {container}  Error\n")
        return Answer(0, "", f" Container {container}  Started\n")

    def _up(self, name: str) -> bool:
        return self._containers[name] and not self._faults.failing(name)

    def _turn(self, states: dict[str, bool], name: str, verb: str) -> bool:
        """Restart, start or stop; whether it did what was asked."""
        states[name] = verb != "stop"
        well = verb == "stop" or self._faults.mend(name)
        done = {"restart": "Restarted", "start": "Started", "stop": "Stopped"}[verb]
        line = f"{done} {name}." if well else f"{name}: Main process exited, code=exited, status=1"
        self._journal.setdefault(name, []).append(f"{self._host} systemd[1]: {line}")
        return well

    def _journalctl(self, words: Sequence[str]) -> Answer:
        name = words[words.index("-u") + 1] if "-u" in words[:-1] else ""
        lines = self._journal.get(name.removesuffix(".service"))
        return Answer(0, _last(lines, words, ("-n",)) if lines else "-- No entries --\n")

    def _realpath(self, words: Sequence[str]) -> Answer:
        path = words[-1] if words else ""
        real = self._resolve(path)
        if real is None:
            return Answer(1, "", f"realpath: {path}: No such file or directory\n")
        return Answer(0, f"{real}\n")

    def _resolve(self, path: str, follow: int = 20) -> str | None:
        """Where a path leads, or None when nothing is there or links go round in circles."""
        if not path.startswith("/") or follow == 0:
            return None
        done = PurePosixPath("/")
        parts = PurePosixPath(path).parts[1:]
        for index, part in enumerate(parts):
            done = done.parent if part == ".." else done / part
            link = self._links.get(str(done))
            if link is not None:
                return self._resolve(str(PurePosixPath(link, *parts[index + 1 :])), follow - 1)
        real = str(done)
        there = real in self._files or any(name.startswith(f"{real}/") for name in self._files)
        return real if there else None

    def _tail(self, words: Sequence[str]) -> Answer:
        path = words[-1] if words else ""
        lines = self._files.get(self._resolve(path) or "")
        if lines is None:
            return Answer(1, "", f"tail: cannot open '{path}' for reading\n")
        return Answer(0, _last(lines, words, ("-n",)))

    def _usermod(self, words: Sequence[str]) -> Answer:
        if "--lock" not in words:
            return Answer(2, "", "usermod: only --lock is known here\n")
        self._locked.add(words[-1])
        return Answer()

    def _sha256sum(self, words: Sequence[str]) -> Answer:
        path = words[-1] if words else ""
        content = self._uploaded(path)
        if content is None:
            return Answer(1, "", f"sha256sum: {path}: No such file or directory\n")
        return Answer(0, f"{hashlib.sha256(content).hexdigest()}  {path}\n")

    def _script(self, argv: Sequence[str]) -> Answer:
        content = self._uploaded(argv[0])
        if content is None:
            return Answer(127, "", f"sh: {argv[0]}: not found\n")
        digest = hashlib.sha256(content).hexdigest()
        words = " ".join(argv[1:])
        return Answer(0, f"demo: {len(content)} bytes, sha256 {digest}\narguments: {words}\n")

    def _uploaded(self, path: str) -> bytes | None:
        name = path.removeprefix(_SCRIPTS)
        if not path.startswith(_SCRIPTS) or not name.isalnum():
            return None
        file = self._home / ".watchstander" / name
        return file.read_bytes() if file.is_file() else None


def _properties(name: str, state: str) -> str:
    """What ``systemctl show`` tells. Started anew by a person, a unit counts from zero."""
    sub = {"active": "running", "failed": "failed", "inactive": "dead"}[state]
    pid = 1000 + len(name) if state == "active" else 0
    return (
        f"Id={name}.service\nActiveState={state}\nSubState={sub}\n"
        f"Result={'exit-code' if state == 'failed' else 'success'}\nMainPID={pid}\nNRestarts=0\n"
    )


def _df(percent: int | None) -> str:
    """What ``df -hP`` tells; /data, of 200 GiB, may be fuller than usual."""
    full = 71 if percent is None else percent
    used = 2 * full
    return _DF + f"/dev/vdb1       200G  {used:>3}G  {200 - used:>3}G  {full:>2}% /data\n"


def _verb(words: Sequence[str], valued: Sequence[str] = ()) -> tuple[str, list[str]]:
    """The verb and its operands, without options; ``valued`` options take the next word."""
    if not words:
        return "", []
    rest = list(words[1:])
    if "--" in rest:
        return words[0], rest[rest.index("--") + 1 :]
    operands = [
        word
        for before, word in pairwise(words)
        if not word.startswith("-") and before not in valued
    ]
    return words[0], operands


def _last(lines: list[str], words: Sequence[str], options: Sequence[str]) -> str:
    """The last lines, as many as one of the options says."""
    count = 10
    for option, value in pairwise(words):
        if option in options and value.isascii() and value.isdigit():
            count = int(value)
    chosen = lines[-count:] if count else []
    return "".join(f"{line}\n" for line in chosen)


def _log_lines(host: str, name: str, count: int) -> list[str]:
    words = ("request served in 12 ms", "pool: 8 of 50 in use", "WARN slow query: 1840 ms",
             "health check ok", "request served in 9 ms", "gc pause 31 ms")  # fmt: skip
    return [
        f"2026-11-20T0{number // 60 % 10}:{number % 60:02d}:07Z {host} {name}[814]:"
        f" {words[number % len(words)]}"
        for number in range(count)
    ]


_SINCE = "2026-11-20T00:00:07.114Z"
_DF = """\
Filesystem      Size  Used Avail Use% Mounted on
/dev/vda1        40G   18G   20G  48% /
tmpfs           7.8G  1.2M  7.8G   1% /run
"""
_FREE = """\
               total        used        free      shared  buff/cache   available
Mem:           15897        9120        1204         310        5573        6107
Swap:           2047         211        1836
"""
_PSQL = """\
pid|blocked_by|waiting|state|wait_event_type|query
4121|{4077}|00:00:42|active|Lock|UPDATE budget SET amount = amount - 10 WHERE id = 7
(1 row)
"""
_MYSQL = """\
trx_mysql_thread_id\ttrx_state\ttrx_started\ttrx_wait_started\tquery
118\tLOCK WAIT\t2026-11-20 09:00:12\t2026-11-20 09:00:12\tUPDATE cart SET state = 2 WHERE id = 9
"""
