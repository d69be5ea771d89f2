"""The demo: from an empty folder to a bot that answers, and again."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.demo_folder import place
from engine.inventory import load_inventory
from tests.integration.command import ROOT, command_line, environment, process, watchstander

READY_S = 60


def test_the_demo_does_not_write_into_a_folder_with_other_things(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = process("demo", "--dir", tmp_path)
    assert done.returncode == 1
    assert "holds other things" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


@contextmanager
def running(folder: Path, port: int) -> Iterator[list[str]]:
    """A demo that answers; gives what it printed until then, and ends it with Ctrl-C."""
    errors = (folder.parent / f"errors-{port}").open("w+")
    process = subprocess.Popen(
        command_line("demo", "--dir", folder, "--port", str(port)),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    assert process.stdout is not None
    watch = signal.signal(signal.SIGALRM, lambda *_: process.kill())
    signal.alarm(READY_S)
    try:
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.startswith("Stop with"):
                break
        else:
            pytest.fail(Path(errors.name).read_text())
        yield lines
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0, Path(errors.name).read_text()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, watch)
        process.kill()
        process.stdout.close()
        process.wait()
        errors.close()


def status_of(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_demo_runs_and_a_second_start_keeps_everything(tmp_path: Path) -> None:
    folder, port = tmp_path / "demo", free_port()
    with running(folder, port) as lines:
        links = [line.strip() for line in lines if "/sign-in/" in line]
        assert len(links) == 3
        assert all(link.startswith(f"http://127.0.0.1:{port}/sign-in/") for link in links)
        assert status_of(port, "/healthz") == 200
        assert status_of(port, links[0].partition(str(port))[2]) == 303
        assert any(line.strip() == str(folder / "hosts" / "ledger.jsonl") for line in lines)
        second = process("demo", "--dir", folder, "--port", str(free_port()))
        assert second.returncode == 1
        assert "another demo runs here" in second.stderr
    config = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
    assert {(person["role"], person["language"]) for person in config["person"]} == {
        ("REQUESTER", "ko"),
        ("ENGINEER", "zh-TW"),
        ("ADMIN", "en"),
    }
    assets = load_inventory(folder / "inventory.toml").assets.values()
    assert {asset.environment for asset in assets} == {"PRD", "STG", "DEV"}
    assert all(asset.address == "127.0.0.1" and asset.port != 22 for asset in assets)
    assert watchstander("check", "--config", folder / "config.toml").stdout == "no problems\n"
    assert watchstander("audit", "verify", "--config", folder / "config.toml").returncode == 0
    kept = (
        "config.toml",
        "inventory.toml",
        "playbooks/app-oom.toml",
        "audit.key",
        "hosts/known_hosts",
        "hosts/id_ed25519",
    )
    before = {name: (folder / name).read_bytes() for name in kept}
    with running(folder, port) as lines:
        # A link from before the restart still opens the door.
        assert status_of(port, links[1].partition(str(port))[2]) == 303
    assert {name: (folder / name).read_bytes() for name in kept} == before


def test_the_demo_writes_where_its_hosts_listen_and_nothing_else() -> None:
    text = (
        '# mine\n[[asset]]\ncode = "A"\nhost = "one"  # kept\nservice = "x"\n\n'
        '[[asset]]\ncode = "B"\nhost = "two"\naddress = "10.0.0.5"\n\n'
        '[[asset]]\ncode = "C"\nport = 9\nhost = "one"\naddress = "127.0.0.1"'
    )
    placed = place(text, {"one": 2201, "two": 2202})
    assert placed == (
        '# mine\n[[asset]]\ncode = "A"\nhost = "one"  # kept\naddress = "127.0.0.1"\n'
        'port = 2201\nservice = "x"\n\n'
        '[[asset]]\ncode = "B"\nhost = "two"\naddress = "10.0.0.5"\n\n'
        '[[asset]]\ncode = "C"\nhost = "one"\naddress = "127.0.0.1"\nport = 2201\n'
    )
    assert place(placed, {"one": 2201, "two": 2202}) == placed
