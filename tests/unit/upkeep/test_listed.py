"""The tables of what ends, in the inventory."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from engine.inventory import InventoryError, load_inventory
from engine.upkeep.listed import Certificate, Domain, Licence
from tests.unit.requests.parts import INVENTORY

GOOD = """
[[certificate]]
name = "shop"
host = "shop.example.org"
asset = "PAY-WAS-01"
[[certificate]]
name = "inside"
host = "fd00::1"
port = 8443
servername = "inside.example.org"
[[licence]]
name = "db"
product = "EDB Postgres 결제"
expires = 2027-03-01
owner = "김서연"
seats = 4
[[domain]]
name = "example.org"
expires = "2027-02-01"
"""


def load(folder: Path, text: str):  # type: ignore[no-untyped-def]
    file = folder / "inventory.toml"
    file.write_text(INVENTORY + text, encoding="utf-8")
    return load_inventory(file).listed


def test_all_of_it(tmp_path: Path) -> None:
    listed = load(tmp_path, GOOD)
    assert listed.certificates == (
        Certificate("shop", "shop.example.org", 443, "", "PAY-WAS-01"),
        Certificate("inside", "fd00::1", 8443, "inside.example.org"),
    )
    assert [one.wanted for one in listed.certificates] == ["shop.example.org", "inside.example.org"]
    assert listed.licences == (Licence("db", "EDB Postgres 결제", date(2027, 3, 1), "김서연", 4),)
    assert listed.domains == (Domain("example.org", date(2027, 2, 1)),)


def test_none_of_it_has_to_be_there(tmp_path: Path) -> None:
    listed = load(tmp_path, "")
    assert (listed.certificates, listed.licences, listed.domains) == ((), (), ())


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('host = "shop.example.org"', 'host = "-oProxy"', "certificate 'shop': host = '-oProxy'"),
        ('host = "shop.example.org"', 'host = "shop.example.org/x"', "no host name"),
        ('host = "shop.example.org"', 'host = "쇼핑.한국"', "xn--"),
        ('host = "shop.example.org"', "", "host is missing; add it"),
        ("port = 8443", "port = 0", "port = 0; use a whole number from 1 to 65535"),
        ("port = 8443", "port = true", "port = True"),
        ('asset = "PAY-WAS-01"', 'asset = "NONE"', "asset 'NONE' is not in this file"),
        ("expires = 2027-03-01", 'expires = "1 March"', "write the last day as"),
        ("expires = 2027-03-01", "expires = 2027", "expires = 2027;"),
        ("expires = 2027-03-01", "", "licence 'db': expires is missing; write"),
        ("seats = 4", 'seats = "4"', "seats = '4'"),
        ("seats = 4", "seat = 4", "unknown key 'seat'"),
        ('owner = "김서연"', 'owner = "a\\u202eb"', "cannot be shown"),
        ('name = "inside"', 'name = "SHOP"', "the name stands twice"),
        ('name = "db"', "name = 7", "licence number 1: name = 7"),
        ("[[domain]]", "[domain]", "domain: must be a list of tables"),
        ("[[domain]]", "domain = [3]\n[[domain2]]", "unknown key"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(InventoryError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert any(says in problem for problem in caught.value.problems), caught.value.problems
