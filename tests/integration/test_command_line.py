"""Each sub-command on real files, from right and wrong input to its exit status."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import asyncssh
import pytest

from bot.demo_folder import write_folder
from engine.inventory import load_inventory
from storage import people, tokens
from storage.database import Database, DatabaseSettings
from tests.contract.tiny_embedder import write_embedder
from tests.contract.tiny_model import write_model
from tests.integration.command import ROOT, Done, environment, process, watchstander


@pytest.fixture
def setup(tmp_path: Path) -> Path:
    """A configuration with nothing wrong in it; gives config.toml."""
    write_folder(tmp_path / "setup", 8484)
    folder = tmp_path / "setup"
    (folder / "hosts").mkdir()
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(folder / "hosts" / "id_ed25519"))
    key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    (folder / "hosts" / "known_hosts").write_text(f"* {key}")
    return folder / "config.toml"


def change(config: Path, old: str, new: str) -> None:
    text = config.read_text(encoding="utf-8")
    assert old in text
    config.write_text(text.replace(old, new), encoding="utf-8")


def set_version(database: Path, version: str) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    connection.close()


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_check_finds_nothing_wrong_and_changes_nothing(setup: Path) -> None:
    before = snapshot(setup.parent)
    done = watchstander("check", "--config", setup)
    assert (done.returncode, done.stdout) == (0, "no problems\n")
    assert all(line.startswith("note: playbook ") for line in done.stderr.splitlines())
    assert snapshot(setup.parent) == before


def test_check_looks_at_playbooks_and_notes_what_they_could_touch(setup: Path) -> None:
    notes = watchstander("check", "--config", setup).stderr.splitlines()
    assert "note: playbook dns-failure (role db) may touch YH-WMS-DB" in notes
    none = "no asset of the inventory has that role; it would call a person"
    assert f"note: playbook scheduler-oom (role scheduler): {none}" in notes
    change(setup, 'playbooks = "playbooks"', 'playbooks = "own"')
    missing = watchstander("check", "--config", setup)
    assert missing.returncode == 1
    assert "mend the path of the playbooks' folder" in missing.stdout
    (setup.parent / "own").mkdir()
    own = (ROOT / "engine/healing/playbooks/40-app-oom.toml").read_text(encoding="utf-8")
    own = own.replace("app-oom", "own-oom").replace("server_restart", "log_collect")
    wrong = 'role = "app"\ncommand = "reboot"\nparams = { lines = 0 }'
    bad = own.replace('role = "app"', wrong)
    (setup.parent / "own" / "oom.toml").write_text(bad, encoding="utf-8")
    told = watchstander("check", "--config", setup)
    assert told.returncode == 1
    place = f"{setup.parent / 'own' / 'oom.toml'}: [step]"
    assert f"{place} command: no command can be written here" in told.stdout
    assert f"{place} params: " in told.stdout
    params = 'role = "app"\nparams = { path = "/var/log/tomcat/current" }'
    good = own.replace('role = "app"', params)
    (setup.parent / "own" / "oom.toml").write_text(good, encoding="utf-8")
    done = watchstander("check", "--config", setup)
    assert (done.returncode, done.stdout) == (0, "no problems\n")
    assert "note: playbook own-oom (role app) may touch " in done.stderr


def test_check_notes_hosts_whose_keys_are_not_known(setup: Path) -> None:
    (setup.parent / "hosts" / "known_hosts").write_text("")
    done = watchstander("check", "--config", setup)
    assert (done.returncode, done.stdout) == (0, "no problems\n")
    assert "no key for" in done.stderr and "ssh-keyscan" in done.stderr


def test_check_tells_everything_that_is_wrong_behind_the_configuration(setup: Path) -> None:
    folder = setup.parent
    change(setup, "hosts/known_hosts", "nowhere/known_hosts")
    change(setup, "[web]", '[policy]\nfile = "policy.toml"\n[model]\npath = "m.gguf"\n[web]')
    (folder / "policy.toml").write_text("levels = 1\n")
    (folder / "inventory.toml").write_text("[[asset]]\n")
    (folder / "scripts" / "disk_report.sh").write_text("rm -rf /\n")
    (folder / "watchstander.db").write_text("this is no database, only a long enough text")
    (folder / "audit.key").write_text("no key")
    (folder / "audit.key").chmod(0o600)
    done = watchstander("check", "--config", setup)
    assert done.returncode == 1
    for place_ in (
        "inventory.toml",
        "policy.toml",
        "disk_report.sh",
        "[ssh]",
        "[model] path",
        "[audit] key_file",
        "[database] url",
    ):
        assert any(place_ in line for line in done.stdout.splitlines()), (place_, done.stdout)
    assert "Traceback" not in done.stderr


def test_check_compares_the_model_with_its_hash(setup: Path) -> None:
    (setup.parent / "m.gguf").write_bytes(b"not the model that was meant")
    pin = "0" * 64
    change(setup, "[web]", f'[model]\npath = "m.gguf"\nsha256 = "{pin}"\n[web]')
    done = watchstander("check", "--config", setup)
    assert done.returncode == 1
    assert "[model] sha256: " in done.stdout
    actual = hashlib.sha256((setup.parent / "m.gguf").read_bytes()).hexdigest()
    change(setup, pin, actual.upper())
    assert watchstander("check", "--config", setup).stdout == "no problems\n"


def test_check_loads_and_tries_the_embedding_model(setup: Path) -> None:
    change(setup, "[web]", '[knowledge]\nembeddings = "e.gguf"\n[web]')
    file = setup.parent / "e.gguf"
    spoilt = [
        (lambda: None, "No such file"),
        (lambda: file.write_text("x"), "not a GGUF file"),
        (lambda: write_model(file, "an instruct model"), "is an instruct model"),
    ]
    for spoil, says in spoilt:
        spoil()
        done = watchstander("check", "--config", setup)
        assert (done.returncode, done.stdout.count("\n")) == (1, 1), done.stdout
        assert says in done.stdout and "[knowledge] embeddings" in done.stdout
    write_embedder(file)
    assert watchstander("check", "--config", setup).stdout == "no problems\n"


def test_check_tells_mistakes_in_the_configuration_itself(setup: Path) -> None:
    change(setup, "port = 8484", 'prot = "x"')
    done = watchstander("check", "--config", setup)
    assert done.returncode == 1
    assert done.stdout == "config.toml: [web] prot: no such setting; did you mean port?\n"


@pytest.mark.parametrize("command", ["run", "check", "migrate", "audit verify", "token create"])
def test_a_missing_or_broken_configuration_is_one_clear_line(tmp_path: Path, command: str) -> None:
    more = ["--person", "x"] if command.startswith("token") else []
    path = tmp_path / "config.toml"
    missing = watchstander(*command.split(), "--config", path, *more)
    path.write_text("[web\n")
    broken = watchstander(*command.split(), "--config", path, *more)
    for done, what in ((missing, "no such file"), (broken, "not TOML")):
        assert done.returncode == 1
        (line,) = (done.stdout + done.stderr).splitlines()
        assert what in line and str(path) in line


def test_migrate_makes_the_tables_and_is_content_with_them(setup: Path) -> None:
    for _ in range(2):
        done = watchstander("migrate", "--config", setup)
        assert (done.returncode, done.stdout) == (0, "the database is at this version\n")
    with sqlite3.connect(setup.parent / "watchstander.db") as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert {"people", "actions", "audit", "alembic_version"} <= names


@pytest.mark.parametrize("command", ["run", "migrate", "audit verify", "token create", "check"])
def test_a_database_from_a_later_version_is_left_alone(setup: Path, command: str) -> None:
    assert watchstander("migrate", "--config", setup).returncode == 0
    set_version(setup.parent / "watchstander.db", "9999")
    more = ["--person", "김서연"] if command.startswith("token") else []
    done = watchstander(*command.split(), "--config", setup, *more)
    assert done.returncode == 1
    (line,) = (done.stdout + done.stderr).splitlines()
    assert "later version of Watchstander" in line


async def person_of(config: Path, secret: str, kind: str) -> people.Person | None:
    db = Database.open(DatabaseSettings(f"sqlite+aiosqlite:///{config.parent}/watchstander.db"))
    try:
        async with db.read() as tx:
            return await tokens.resolve(tx, secret, kind)
    finally:
        await db.close()


def test_token_create_prints_the_token_alone(setup: Path) -> None:
    """On a set-up that never ran, too."""
    done = watchstander("token", "create", "--config", setup, "--person", "Grace Palmer")
    assert done.returncode == 0
    (secret,) = done.stdout.splitlines()
    assert re.fullmatch(r"ws_[A-Za-z0-9_-]{32,}", secret)
    person = asyncio.run(person_of(setup, secret, "api"))
    assert person is not None
    assert (person.name, person.role) == ("Grace Palmer", people.Role.ADMIN)
    assert secret not in (setup.parent / "watchstander.db").read_bytes().decode("latin-1")


def test_token_create_prints_a_sign_in_link(setup: Path) -> None:
    change(setup, "port = 8484", 'port = 8484\npublic_url = "https://ops.example.org"')
    done = watchstander("token", "create", "--config", setup, "--person", "林冠宇", "--sign-in")
    address, _, secret = done.stdout.strip().rpartition("/")
    assert address == "https://ops.example.org/sign-in"
    person = asyncio.run(person_of(setup, secret, "signin"))
    assert person is not None
    assert person.name == "林冠宇"


def test_tokens_are_taken_back(setup: Path) -> None:
    create = ("token", "create", "--config", setup, "--person", "Grace Palmer")
    first = watchstander(*create).stdout.strip()
    second = watchstander(*create, "--revoke-all").stdout.strip()
    assert asyncio.run(person_of(setup, first, "api")) is None
    assert asyncio.run(person_of(setup, second, "api")) is not None
    done = watchstander("token", "revoke", "--config", setup, "--person", "Grace Palmer")
    assert done.stdout == "1 taken back\n"
    assert asyncio.run(person_of(setup, second, "api")) is None


def test_a_token_for_nobody_is_refused(setup: Path) -> None:
    done = watchstander("token", "create", "--config", setup, "--person", "Grace")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "config.toml: nobody is called 'Grace'; listed are: 김서연, 林冠宇, Grace Palmer\n"
    )


def test_audit_verify_tells_what_was_done(setup: Path) -> None:
    for _ in range(3):
        watchstander("token", "create", "--config", setup, "--person", "Grace Palmer")
    good = watchstander("audit", "verify", "--config", setup)
    assert (good.returncode, good.stdout) == (
        0,
        "ok: 3 rows, 3 of them since the last checkpoint\n",
    )
    with sqlite3.connect(setup.parent / "watchstander.db") as connection:
        connection.execute("UPDATE audit SET actor = 'person:nobody' WHERE seq = 2")
    connection.close()
    edited = watchstander("audit", "verify", "--config", setup)
    assert (edited.returncode, edited.stdout) == (1, "edited: row 2 does not match its hash\n")


def test_a_chain_that_lost_its_checkpoints_is_told_and_can_be_adopted(setup: Path) -> None:
    watchstander("token", "create", "--config", setup, "--person", "Grace Palmer")
    (setup.parent / "audit.checkpoints").unlink()
    lost = watchstander("audit", "verify", "--config", setup)
    assert lost.returncode == 1
    assert lost.stdout.startswith("no checkpoint: ")
    assert watchstander("audit", "adopt", "--config", setup).stdout == "signed: 1 rows\n"
    assert watchstander("audit", "verify", "--config", setup).returncode == 0


def test_audit_verify_makes_no_database(setup: Path) -> None:
    done = watchstander("audit", "verify", "--config", setup)
    assert done.returncode == 1
    assert "no such database yet; run: watchstander migrate" in done.stderr
    assert not (setup.parent / "watchstander.db").exists()


def test_the_slack_manifest_is_json() -> None:
    socket_mode = json.loads(watchstander("slack-manifest").stdout)
    assert socket_mode["settings"]["socket_mode_enabled"] is True
    url = "https://ops.example.org/slack/events"
    http_mode = json.loads(watchstander("slack-manifest", "--events-url", url).stdout)
    assert http_mode["settings"]["event_subscriptions"]["request_url"] == url


def plan(setup: Path, *args: str | Path) -> Done:
    return watchstander("plan", "--inventory", setup.parent / "inventory.toml", *args)


def test_plan_prints_what_would_run(setup: Path) -> None:
    done = plan(
        setup, "--action", "log_collect", "--target", "HB-LOAN-WAS-01", "--param", "lines=50"
    )
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    assert answer["params"]["lines"] == 50
    (argv,) = answer["hosts"]["loan-was-01"]
    assert argv[0] == "journalctl"
    assert re.fullmatch("[0-9a-f]{64}", answer["digest"])


@pytest.mark.parametrize(
    "args",
    [
        ["--action", "server_restart", "--target", "NOT-THERE"],
        ["--action", "make_coffee", "--target", "HB-LOAN-WAS-01"],
        ["--action", "log_collect", "--target", "HB-LOAN-WAS-01", "--param", "lines"],
        ["--action", "log_collect", "--target", "HB-LOAN-WAS-01", "--param", "lines=1", "lines=2"],
        ["--action", "log_collect", "--target", "HB-LOAN-WAS-01", "--param", "lines=\udcff"],
        ["--target", "HB-LOAN-WAS-01"],
        ["--jsonl", "/nowhere/at/all"],
    ],
)
def test_plan_refuses_with_two(setup: Path, args: list[str]) -> None:
    done = plan(setup, *args)
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["refused"]) == (2, "invalid")
    assert answer["message"]
    assert done.stderr == ""


def test_plan_answers_many_lines(setup: Path, tmp_path: Path) -> None:
    asked = tmp_path / "asked.jsonl"
    one = {"action": "server_restart", "targets": ["HB-LOAN-WAS-01"], "params": {}}
    two = {**one, "targets": ["HB-LOAN-WAS-S1"]}
    asked.write_text(f"{json.dumps(one)}\nnot json\n{json.dumps(two)}\n")
    done = plan(setup, "--jsonl", asked)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer.get("risk") for answer in answers] == ["CRITICAL", None, "HIGH"]
    assert answers[1]["refused"] == "invalid"


def test_parse_prints_the_contract(setup: Path) -> None:
    inventory = setup.parent / "inventory.toml"
    done = watchstander("parse", "--inventory", inventory, "여신시스템 WAS 재시작해줘")
    answer = json.loads(done.stdout)
    assert answer["intent_type"] == "RESTART"
    assert answer["infrastructure_layer"] == "WAS"
    assert set(answer["assets"]) <= set(load_inventory(inventory).assets)
    assert "question" in answer


def test_plan_does_not_wait_for_what_it_does_not_need(setup: Path) -> None:
    heavy = {"slack_bolt", "telegram", "fastapi", "uvicorn", "asyncssh", "alembic"}
    heavy |= {"llama_cpp", "numpy"}
    code = (
        "import sys; from bot.__main__ import main; main(sys.argv[1:]); "
        f"print(sorted(set(sys.modules) & {heavy}), file=sys.stderr)"
    )
    args = ["plan", "--inventory", str(setup.parent / "inventory.toml")]
    args += ["--action", "server_restart", "--target", "HB-LOAN-WAS-01"]
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr.strip() == "[]"
    assert json.loads(done.stdout)["risk"] == "CRITICAL"


def test_the_command_is_a_process(setup: Path) -> None:
    """Once for real: what a shell gets on stdout, on stderr and as status."""
    good = process("check", "--config", setup)
    assert (good.returncode, good.stdout) == (0, "no problems\n")
    assert good.stderr.startswith("note: playbook ")
    bad = process("token", "create", "--config", setup, "--person", "nobody")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert "nobody is called 'nobody'" in bad.stderr


def test_a_wrong_command_line_is_told_with_the_right_one() -> None:
    done = watchstander("runn")
    assert done.returncode == 2
    assert "invalid choice: 'runn'" in done.stderr
    assert watchstander("demo", "--port", "70000").returncode == 2


def test_a_port_in_use_is_one_clear_line(setup: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        change(setup, "port = 8484", f"port = {port}")
        run = process("run", "--config", setup)
        demo = process("demo", "--dir", tmp_path / "demo", "--port", str(port))
    for done in (run, demo):
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert str(port) in line and "another program has" in line
