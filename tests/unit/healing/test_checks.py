"""Health checks in the configuration: what is read, and what is refused with its mend."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bot.settings import Settings, SettingsError, load_settings
from engine.healing.checks import Check, check_problems
from engine.inventory import Asset, Inventory
from tests.integration.command import watchstander

EXAMPLES = Path(__file__).parents[3] / "bot" / "demo_files"
SSH = '[ssh]\nknown_hosts = "known_hosts"\n'
INVENTORY = Inventory(
    {},
    {},
    {
        "WAS": Asset("WAS", "S", "WAS", "DEV", "was-01", service="tomcat"),
        "BOX": Asset("BOX", "S", "WAS", "DEV", "box", container="app"),
    },
)


def load(folder: Path, *checks: str) -> Settings:
    path = folder / "config.toml"
    path.write_text(SSH + "".join(f"[[check]]\n{check}\n" for check in checks), encoding="utf-8")
    return load_settings(path, {})


def problems(folder: Path, *checks: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(folder, *checks)
    return caught.value.problems


def test_checks_are_read_with_their_defaults(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        'name = "shop-http"\nkind = "http"\nurl = "https://shop.example/health"\nstatus = 204',
        'name = "db.port"\nkind = "tcp"\naddress = "::1"\nport = 5432\nseverity = "P1"',
        'name = "was"\nkind = "unit"\nasset = "WAS"\nevery_s = 10\nfailures = 1',
    )
    http, tcp, unit = settings.checks
    assert http == Check("shop-http", "http", url="https://shop.example/health", status=(204,))
    assert (http.every_s, http.timeout_s, http.failures, http.severity) == (60, 5, 3, "P2")
    assert (tcp.address, tcp.port, tcp.severity) == ("::1", 5432, "P1")
    assert (unit.asset, unit.every_s, unit.failures) == ("WAS", 10, 1)
    assert load(tmp_path).checks == ()


@pytest.mark.parametrize(
    ("check", "says"),
    [
        ('kind = "unit"\nasset = "A"', "name: is missing"),
        ('name = "x"', "kind: is missing"),
        ('name = "x"\nkind = "icmp"', "kind 'icmp' is not known: use one of tcp, http"),
        ('name = "두 글자"\nkind = "unit"\nasset = "A"', "name '두 글자' cannot be used"),
        ('name = "-x"\nkind = "unit"\nasset = "A"', "name '-x' cannot be used"),
        ('name = "x"\nkind = "unit"', "needs an asset: add asset"),
        ('name = "x"\nkind = "container"', "needs an asset: add asset"),
        ('name = "x"\nkind = "disk"', "needs an asset: add asset"),
        ('name = "x"\nkind = "tcp"\naddress = "h"', "needs a port: add port"),
        ('name = "x"\nkind = "tcp"\nport = 80', "needs an address or an asset"),
        ('name = "x"\nkind = "tcp"\nport = 0\naddress = "h"', "0 is no port"),
        ('name = "x"\nkind = "tcp"\nport = 80\naddress = "http://h"', "is not valid: give a host"),
        ('name = "x"\nkind = "http"', "begins with http:// or https://"),
        ('name = "x"\nkind = "http"\nurl = "file:///etc/passwd"', "begins with http://"),
        ('name = "x"\nkind = "http"\nurl = "http://"', "begins with http://"),
        ('name = "x"\nkind = "http"\nurl = "http://[::1"', "begins with http://"),
        ('name = "x"\nkind = "http"\nurl = "http://h:99999/"', "begins with http://"),
        ('name = "x"\nkind = "http"\nurl = "http://a b/"', "begins with http://"),
        ('name = "x"\nkind = "http"\nurl = "https://me:hush@h/"', "user name or password"),
        ('name = "x"\nkind = "http"\nurl = "http://h"\nstatus = [99]', "no HTTP status"),
        ('name = "x"\nkind = "http"\nurl = "http://h"\nstatus = ["ok"]', "whole number"),
        ('name = "x"\nkind = "disk"\nasset = "A"\nbelow_percent = 101', "out of range"),
        ('name = "x"\nkind = "disk"\nasset = "A"\nbelow_percent = 0', "above zero"),
        ('name = "x"\nkind = "disk"\nasset = "A"\nevery_s = 0', "above zero"),
        ('name = "x"\nkind = "disk"\nasset = "A"\nfailures = 0', "above zero"),
        ('name = "x"\nkind = "disk"\nasset = "A"\ntimeout_s = 61', "longer than every_s"),
        ('name = "x"\nkind = "disk"\nasset = "A"\nseverity = "HIGH"', "one of P1, P2, P3"),
        ('name = "x"\nkind = "disk"\nasset = "A"\nhost = "b"', "no such setting"),
    ],
)
def test_what_is_wrong_is_named_with_its_mend(tmp_path: Path, check: str, says: str) -> None:
    (problem,) = problems(tmp_path, check)
    assert problem.startswith("config.toml: [[check]] ")
    assert says in problem
    assert "hush" not in problem


def test_each_name_stands_once_whatever_its_case(tmp_path: Path) -> None:
    unit = 'kind = "unit"\nasset = "WAS"'
    (problem,) = problems(tmp_path, f'name = "was"\n{unit}', f'name = "WAS"\n{unit}')
    assert problem == (
        "config.toml: [[check]] WAS: the name was is taken by [[check]] was; keep one of them"
    )


def test_one_table_is_no_list(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(SSH + '[check]\nname = "x"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"expected a list of tables"):
        load_settings(path, {})


@pytest.mark.parametrize(
    ("check", "says"),
    [
        (Check("x", "unit", asset="GHOST"), "[[check]] x: asset 'GHOST' is not in the inventory"),
        (Check("x", "tcp", asset="GHOST", address="h", port=1), "'GHOST' is not in the inventory"),
        (Check("x", "unit", asset="BOX"), 'BOX is a container, not a systemd unit; use kind = "c'),
        (Check("x", "container", asset="WAS"), "WAS is a systemd unit, not a container"),
    ],
)
def test_what_does_not_fit_the_inventory(check: Check, says: str) -> None:
    (problem,) = check_problems([Check("fine", "disk", asset="WAS"), check], INVENTORY)
    assert says in problem


def test_what_fits_the_inventory() -> None:
    fine = [
        Check("a", "unit", asset="WAS"),
        Check("b", "container", asset="BOX"),
        Check("c", "disk", asset="BOX"),
        Check("d", "tcp", asset="BOX", port=80),
        Check("e", "http", url="http://h"),
    ]
    assert check_problems(fine, INVENTORY) == []


def test_the_check_command_tells_them(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "inventory.toml", tmp_path / "inventory.toml")
    (tmp_path / "known_hosts").touch()
    load(tmp_path, 'name = "x"\nkind = "unit"\nasset = "GHOST"')
    done = watchstander("check", "--config", tmp_path / "config.toml")
    assert done.returncode == 1
    assert (
        "config.toml: [[check]] x: asset 'GHOST' is not in the inventory; mend the code or add the"
        " [[asset]]" in done.stdout.splitlines()
    )
