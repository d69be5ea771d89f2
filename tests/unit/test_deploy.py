"""What ``deploy/`` shows can be read, and names only what there is."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.__main__ import COMMANDS, _parser
from bot.settings import Settings, load_settings
from bot.web_floor import BODY_CEILING
from engine.execution.ssh import SshSettings
from tests.reference.rest import application

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
REPLICAS = ("one", "two")
PRIVATE = {"/metrics", "/readyz", "/healthz"}
STATE = "/var/lib/watchstander"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return raw


def lines(name: str) -> list[str]:
    """A file's lines without comments, continued ones joined."""
    text = (DEPLOY / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip() and line[0] != "#"]


def seconds(span: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(s|m|min)", span).groups()  # type: ignore[union-attr]
    return int(number) * (1 if unit == "s" else 60)


def is_known(command: list[str]) -> bool:
    """Whether it is a sub-command with its options; argparse ends the process where it is not."""
    return _parser().parse_args(command).run in {getattr(one, "run", None) for one in COMMANDS}


def test_the_replicas_run_a_command_that_there_is(compose: dict[str, Any]) -> None:
    for name in REPLICAS:
        service = compose["services"][name]
        assert is_known(service["command"])
        assert (DEPLOY / service["build"]["dockerfile"].removeprefix("deploy/")).exists()
        assert (DEPLOY / service["build"]["context"]).resolve() == ROOT


def test_the_replicas_differ_in_their_name_alone(compose: dict[str, Any]) -> None:
    """They must share keys and checkpoints: each would sign a chain of its own otherwise."""
    one, two = (dict(compose["services"][name]) for name in REPLICAS)
    names = [dict(service.pop("environment")) for service in (one, two)]
    assert one == two
    assert [name.pop("REPLICA_NAME") for name in names] == list(REPLICAS)
    assert names[0] == names[1]
    assert f"state:{STATE}" in one["volumes"]


def test_everything_that_is_named_is_there(compose: dict[str, Any]) -> None:
    services = compose["services"].values()
    for kind in ("secrets", "networks"):
        used = {name for service in services for name in service.get(kind, ())}
        assert used == set(compose[kind])
    mounts = [mount.split(":")[0] for service in services for mount in service.get("volumes", ())]
    assert {mount for mount in mounts if "/" not in mount} == set(compose["volumes"])
    for mount in mounts:
        assert not mount.startswith("./") or (DEPLOY / mount).exists(), mount
    for service in services:
        assert set(service.get("depends_on", ())) <= set(compose["services"])


def test_nothing_runs_with_more_rights_than_it_needs(compose: dict[str, Any]) -> None:
    for name in REPLICAS:
        service = compose["services"][name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "ports" not in service
    assert compose["networks"]["inside"] == {"internal": True}
    assert compose["services"]["database"]["networks"] == ["inside"]
    assert "ports" not in compose["services"]["database"]


def test_secrets_are_files_and_stand_nowhere_else(compose: dict[str, Any]) -> None:
    assert all(Path(secret["file"]).parts[0] == "secrets" for secret in compose["secrets"].values())
    environment = [
        name for service in compose["services"].values() for name in service.get("environment", ())
    ]
    assert not [name for name in environment if re.search("PASSWORD$|TOKEN$|SECRET$|URL$", name)]


@pytest.fixture
def settings(compose: dict[str, Any], tmp_path: Path) -> Settings:
    """The configuration as a replica reads it, with secrets that have the right form."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in compose["services"]["one"]["secrets"]:
        (secrets / name).write_text("xoxb-1-abc\n")
    url = "postgresql+psycopg://watchstander:x@database/watchstander"
    (secrets / "database_url").write_text(url)
    text = (DEPLOY / "etc" / "config.toml").read_text(encoding="utf-8")
    named = set(re.findall(r'"/run/secrets/(\w+)"', text))
    assert named == set(compose["services"]["one"]["secrets"])
    file = tmp_path / "config.toml"
    file.write_text(text.replace("/run/secrets/", f"{secrets}/"), encoding="utf-8")
    return load_settings(file, compose["services"]["one"]["environment"])


def test_the_configuration_of_the_replicas_can_be_read(
    settings: Settings, compose: dict[str, Any]
) -> None:
    assert settings.replica.name == "one"
    assert settings.database.url.startswith("postgresql+psycopg://watchstander:x@database/")
    database = compose["services"]["database"]["environment"]
    assert (database["POSTGRES_USER"], database["POSTGRES_DB"]) == ("watchstander",) * 2
    assert compose["services"]["proxy"]["environment"]["UPSTREAMS"].split() == [
        f"{name}:{settings.web.port}" for name in REPLICAS
    ]


def test_whatever_the_replicas_write_is_on_what_they_share(settings: Settings) -> None:
    written = (
        settings.audit.key_file,
        settings.audit.checkpoint_file,
        settings.approvals.factor_key_file,
    )
    assert {str(path.parent) for path in written} == {STATE}


def test_a_stop_leaves_time_for_a_command_that_runs(compose: dict[str, Any]) -> None:
    ssh = SshSettings(known_hosts=Path("known_hosts"))
    longest = ssh.command_timeout_s + ssh.connect_timeout_s
    unit = service_unit()
    for span in (compose["services"]["one"]["stop_grace_period"], unit["TimeoutStopSec"]):
        assert seconds(span) > longest


def test_the_proxy_is_believed_and_nobody_else(compose: dict[str, Any]) -> None:
    (network,) = compose["networks"]["outside"]["ipam"]["config"]
    assert compose["services"]["one"]["environment"]["FORWARDED_ALLOW_IPS"] == network["subnet"]
    assert compose["services"]["proxy"]["networks"] == ["outside"]


def containerfile(word: str) -> list[str]:
    return [line.partition(" ")[2] for line in lines("Containerfile") if line.startswith(word)]


def test_the_image_holds_the_program_and_runs_it_without_rights() -> None:
    copied = [shlex.split(rest) for rest in containerfile("COPY ")]
    sources = {source for words in copied for source in words[:-1] if words[0][:2] != "--"}
    assert not [source for source in sources if not (ROOT / source).exists()]
    assert {"bot", "handlers", "engine", "storage", "prompts"} <= sources
    assert [user for user in containerfile("USER ") if user.split(":")[0] != "0"] == ["10001:10001"]
    assert "/readyz" in containerfile("HEALTHCHECK ")[0]
    command = yaml.safe_load(containerfile("CMD ")[-1])
    assert yaml.safe_load(containerfile("ENTRYPOINT ")[0]) == ["watchstander"]
    assert is_known(command)
    assert f"WORKDIR {STATE}" in lines("Containerfile")


def test_the_image_asks_for_what_the_lock_fixes() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert re.search("^llama-cpp-python==", lock, re.MULTILINE)


def service_unit() -> configparser.SectionProxy:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "watchstander.service", encoding="utf-8")
    return unit["Service"]


def test_the_service_runs_a_command_that_there_is_and_is_hardened() -> None:
    unit = service_unit()
    program, *command = shlex.split(unit["ExecStart"])
    assert Path(program).name == "watchstander"
    assert is_known(command)
    assert unit["NoNewPrivileges"] == "yes"
    assert unit["ProtectSystem"] == "strict"
    assert unit["StateDirectory"] == "watchstander"
    assert unit["Restart"] == "always"
    assert unit["User"] != "root"
    assert unit["CapabilityBoundingSet"] == ""


def test_systemd_finds_nothing_to_say(tmp_path: Path) -> None:
    """Where systemd is there to be asked; what can be read without it is looked at above."""
    analyze = shutil.which("systemd-analyze")
    text = (DEPLOY / "watchstander.service").read_text(encoding="utf-8")
    # It looks for the program and the user, which only an installation has.
    text = text.replace("/opt/watchstander/bin/watchstander", "/bin/true")
    text = re.sub("(?m)^(User|Group)=.*$", r"\1=root", text)
    file = tmp_path / "watchstander.service"
    file.write_text(text, encoding="utf-8")
    if analyze is None:
        return
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(file)], capture_output=True, text=True, check=False
    )
    said = [line for line in done.stderr.splitlines() if "watchstander" in line]
    assert (said, done.returncode) == ([], 0)


def test_the_proxies_keep_inside_what_asks_for_no_token() -> None:
    assert set(application().openapi()["paths"]) >= PRIVATE
    (caddy,) = [line for line in lines("Caddyfile") if line.startswith("@private")]
    assert set(caddy.split()[2:]) == PRIVATE
    assert "respond @private 403" in lines("Caddyfile")
    nginx = " ".join(lines("nginx.conf"))
    (denied,) = re.findall(r"location ~ \^/\((\S+)\)\$ \{ deny all; \}", nginx)
    assert {f"/{name}" for name in denied.split("|")} == PRIVATE


def test_the_proxies_pass_on_sockets_and_bodies_as_large_as_we_take() -> None:
    nginx = lines("nginx.conf")
    assert "proxy_set_header Upgrade $http_upgrade;" in nginx
    assert "proxy_set_header Connection $watchstander_connection;" in nginx
    assert "proxy_http_version 1.1;" in nginx
    mebibytes = BODY_CEILING // 1024**2
    assert f"client_max_body_size {mebibytes}m;" in nginx
    assert f"max_size {mebibytes}MiB" in lines("Caddyfile")
    for name in ("nginx.conf", "Caddyfile"):
        text = "\n".join(lines(name))
        assert text.count("{") == text.count("}")
