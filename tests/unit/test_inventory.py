"""The inventory file: read whole, and every mistake told with its place and its mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.inventory import Bastion, InventoryError, load_inventory

_GOOD = """
[[institution]]
code = "ACME"
names = ["Acme", "에크미"]
[[system]]
code = "ACME-PAY"
institution = "ACME"
names = ["결제", "payments"]
[[asset]]
code = "PAY-1"
system = "ACME-PAY"
layer = "WAS"
environment = "PRD"
host = "pay-was-01"
service = "pay@1.service"
address = "10.0.0.5"
port = 2222
user = "ops"
key = "/etc/watchstander/id_ed25519"
names = ["결제 1호"]
[[asset]]
code = "PAY-DB"
system = "ACME-PAY"
layer = "DB"
environment = "STG"
host = "pay-db"
container = "pay_db.1"
role = "ledger"
compose = "/srv/pay"
compose_service = "db"
via = "GATE"
[[bastion]]
code = "GATE"
host = "gate.example"
port = 2200
user = "hop"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "inventory.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(InventoryError) as caught:
        load_inventory(write(tmp_path, text))
    return caught.value.problems


def test_a_whole_file(tmp_path: Path) -> None:
    inventory = load_inventory(write(tmp_path, _GOOD))
    assert inventory.institutions["ACME"].names == ("Acme", "에크미")
    asset = inventory.assets["PAY-1"]
    assert (asset.address, asset.port, asset.user) == ("10.0.0.5", 2222, "ops")
    assert (asset.service, asset.container, asset.names) == ("pay@1.service", "", ("결제 1호",))
    assert inventory.assets["PAY-DB"].port == 22
    assert (asset.via, inventory.assets["PAY-DB"].via) == ("", "GATE")
    assert inventory.bastions == {"GATE": Bastion("GATE", "gate.example", port=2200, user="hop")}
    assert (asset.role, asset.compose, asset.compose_service) == ("app", "", "")
    box = inventory.assets["PAY-DB"]
    assert (box.role, box.compose, box.compose_service) == ("ledger", "/srv/pay", "db")
    assert [found.code for found in inventory.on_host("pay-db")] == ["PAY-DB"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('host = "pay-was-01"', 'host = "-oProxyCommand=x"', "host = '-oProxyCommand=x'"),
        ('host = "pay-was-01"', 'host = "pay\\nwas"', "host = 'pay\\nwas'"),
        ('host = "pay-was-01"', 'host = "pаy-was"', "plain ASCII"),  # a Cyrillic letter
        ('host = "pay-was-01"', 'host = "pay-was-٠١"', "plain ASCII"),  # other digits
        ('host = "pay-was-01"', "", "host is missing"),
        ('host = "pay-was-01"', "host = 7", "must be a text"),
        ('via = "GATE"', 'via = "DOOR"', "asset 'PAY-DB': via 'DOOR' is not in this file"),
        ('via = "GATE"', 'via = "ops@gate:22"', "via = 'ops@gate:22'"),
        ('host = "gate.example"', 'host = "-oProxyCommand=x"', "host = '-oProxyCommand=x'"),
        ('host = "gate.example"', "", "bastion 'GATE': host is missing"),
        ("port = 2200", "port = 0", "bastion 'GATE': port = 0"),
        ("port = 2200", 'service = "x"', "bastion 'GATE': unknown key 'service'"),
        ('code = "GATE"', 'code = "GATE"\nhost = "a"\n[[bastion]]\ncode = "gate"', "stands twice"),
        ("port = 2222", "port = 0", "port = 0"),
        ("port = 2222", "port = 65536", "1 to 65535"),
        ("port = 2222", 'port = "22"', "port = '22'"),
        ("port = 2222", "port = true", "port = True"),
        ('layer = "WAS"', 'layer = "APP"', "WAS, WEB, DB"),
        ('layer = "WAS"', "layer = []", "layer = []"),
        ('environment = "PRD"', 'environment = "PROD"', "PRD, STG, DEV"),
        ('environment = "PRD"', "", "environment = None"),
        ('container = "pay_db.1"', "", "exactly one"),
        ('role = "ledger"', 'role = "Ledger"', "role = 'Ledger'"),
        ('role = "ledger"', 'role = "-x"', "role = '-x'"),
        ('role = "ledger"', "role = 1", "must be a text"),
        ('compose = "/srv/pay"', 'compose = "srv/pay"', "compose = 'srv/pay'"),
        ('compose = "/srv/pay"', 'compose = "/srv/../etc"', "compose = '/srv/../etc'"),
        ('compose = "/srv/pay"', 'compose = "/srv/.pay"', "compose = '/srv/.pay'"),
        ('compose = "/srv/pay"', 'compose = "/srv/pay/"', "compose = '/srv/pay/'"),
        ('compose = "/srv/pay"', 'compose = "/srv/a b"', "compose = '/srv/a b'"),
        ('compose = "/srv/pay"\n', "", "compose_service needs the project's folder"),
        ('container = "pay_db.1"', 'service = "pay"', "compose is for containers"),
        ('compose_service = "db"', 'compose_service = "--all"', "compose_service = '--all'"),
        ('container = "pay_db.1"', 'container = "x"\nservice = "y"', "exactly one"),
        ('container = "pay_db.1"', 'container = "--rm"', "container = '--rm'"),
        ('service = "pay@1.service"', 'service = "a;b"', "service = 'a;b'"),
        ('user = "ops"', 'user = "-l"', "user = '-l'"),
        ('address = "10.0.0.5"', 'address = "10.0.0.5 x"', "address"),
        (
            'system = "ACME-PAY"\nlayer = "DB"',
            'system = "NONE"\nlayer = "DB"',
            "'NONE' is not in this file",
        ),
        ('institution = "ACME"', 'institution = "ACNE"', "add the [[institution]]"),
        ('code = "PAY-DB"', 'code = "pay-1"', "stands twice"),
        ('code = "PAY-DB"', 'kode = "PAY-DB"', "unknown key 'kode'"),
        ('names = ["결제 1호"]', "names = [3]", "names = [3]"),
        ('names = ["결제 1호"]', 'names = "x"', "list of texts"),
        ('names = ["결제", "payments"]', "names = []", "at least one"),
        ("[[asset]]\ncode", "[asset2]\ncode", "asset2: unknown key"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in _GOOD
    found = problems(tmp_path, _GOOD.replace(old, new, 1))
    assert any(says in problem for problem in found), found
    assert all(str(tmp_path) in problem for problem in found)


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = _GOOD.replace("port = 2222", "port = 0").replace('layer = "DB"', 'layer = "X"')
    found = problems(tmp_path, text.replace('institution = "ACME"', 'institution = "?"'))
    assert len(found) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[asset]", "cannot be read as TOML"),
        ("", "none given"),
        ("institution = 3", "must be a list of tables"),
        ("asset = [1]\n", "must be a table"),
    ],
)
def test_a_broken_file(tmp_path: Path, text: str, says: str) -> None:
    assert any(says in problem for problem in problems(tmp_path, text))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="no such file"):
        load_inventory(tmp_path / "none.toml")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "inventory.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InventoryError, match="cannot be read"):
        load_inventory(path)
