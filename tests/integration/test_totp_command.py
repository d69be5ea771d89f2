"""``watchstander totp``, and what ``check`` says about who has no authenticator."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncssh
import pyotp
import pytest

from bot.commandline.totp import _picture
from bot.demo_folder import write_folder
from engine.approvals.second_factor import load_key, make_key, open_sealed
from tests.integration.command import watchstander

ENROL = ("totp", "enrol", "Grace Palmer", "--config")
LIST = ("totp", "list", "--config")


@pytest.fixture
def setup(tmp_path: Path) -> Path:
    """A configuration with the second factor on; gives config.toml."""
    folder = tmp_path / "setup"
    write_folder(folder, 8484)
    (folder / "hosts").mkdir()
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(folder / "hosts" / "id_ed25519"))
    public = key.export_public_key().decode()
    (folder / "hosts" / "known_hosts").write_text(f"* {public}")
    config = folder / "config.toml"
    text = config.read_text(encoding="utf-8")
    assert 'second_factor = "off"\n' in text
    config.write_text(text.replace('second_factor = "off"\n', ""), encoding="utf-8")
    return config


def rows(config: Path) -> list[tuple[int, str]]:
    with sqlite3.connect(config.parent / "watchstander.db") as connection:
        found = connection.execute("SELECT person_id, sealed FROM second_factors").fetchall()
    connection.close()
    return found


def test_enrolling_prints_the_address_alone_and_keeps_it_sealed(setup: Path) -> None:
    done = watchstander(*ENROL, setup)
    assert done.returncode == 0, done.stderr
    address = urlsplit(done.stdout.strip())
    secret = parse_qs(address.query)["secret"][0]
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    assert len(pyotp.TOTP(secret).now()) == 6
    assert secret not in done.stderr
    key_file = setup.parent / "factor.key"
    assert key_file.stat().st_mode & 0o777 == 0o600
    [(person, sealed)] = rows(setup)
    assert open_sealed(load_key(key_file), person, sealed) == secret
    for file in setup.parent.glob("watchstander.db*"):
        assert secret.encode() not in file.read_bytes()


def test_enrolling_again_replaces_it_and_removing_ends_it(setup: Path) -> None:
    watchstander(*ENROL, setup)
    [before] = rows(setup)
    watchstander(*ENROL, setup)
    [after] = rows(setup)
    assert after != before
    listed = watchstander(*LIST, setup)
    assert listed.stdout.startswith("Grace Palmer: since 20")
    gone = watchstander("totp", "remove", "Grace Palmer", "--config", setup)
    assert gone.stdout == "Grace Palmer's authenticator is removed\n"
    assert rows(setup) == []
    again = watchstander("totp", "remove", "Grace Palmer", "--config", setup)
    assert (again.returncode, again.stdout) == (1, "")
    assert "has no authenticator" in again.stderr
    assert watchstander(*LIST, setup).stdout == "Grace Palmer: none\n"


def test_somebody_who_is_not_listed_is_refused(setup: Path) -> None:
    done = watchstander("totp", "enrol", "Nobody", "--config", setup)
    assert done.returncode == 1
    assert "listed are: 김서연, 林冠宇, Grace Palmer" in done.stderr


def test_a_key_that_is_gone_is_asked_for_not_replaced(setup: Path) -> None:
    watchstander(*ENROL, setup)
    (setup.parent / "factor.key").unlink()
    done = watchstander("totp", "enrol", "林冠宇", "--config", setup)
    assert done.returncode == 1
    assert "factor_key_file" in done.stderr and "restore it" in done.stderr
    assert not (setup.parent / "factor.key").exists()
    checked = watchstander("check", "--config", setup)
    assert "factor.key is gone" in checked.stderr


def test_check_names_the_admins_without_one(setup: Path) -> None:
    note = "note: Grace Palmer has no authenticator and cannot approve CRITICAL"
    assert note in watchstander("check", "--config", setup).stderr
    watchstander(*ENROL, setup)
    assert note not in watchstander("check", "--config", setup).stderr
    (setup.parent / "factor.key").chmod(0o644)
    bad = watchstander("check", "--config", setup)
    assert bad.returncode == 1
    assert "chmod 600" in bad.stdout


def test_check_names_whose_secret_another_key_sealed(setup: Path) -> None:
    watchstander(*ENROL, setup)
    (setup.parent / "factor.key").unlink()
    make_key(setup.parent / "factor.key")
    told = watchstander("check", "--config", setup).stderr
    assert "factor.key does not open the secret of Grace Palmer" in told
    watchstander(*ENROL, setup)
    assert "does not open" not in watchstander("check", "--config", setup).stderr


def test_the_picture_is_drawn_for_a_terminal() -> None:
    drawn = _picture("otpauth://totp/Watchstander:%EA%B9%80?secret=JBSWY3DPEHPK3PXP")
    lines = drawn.splitlines()
    assert 15 <= len(lines) <= 40
    assert any("▀" in line or "█" in line for line in lines)
