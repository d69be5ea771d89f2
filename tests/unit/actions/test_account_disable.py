"""Locking accounts."""

from __future__ import annotations

import pytest

from tests.unit.actions.stage import argvs, plan, refusal


def test_an_account_is_locked_and_expired_once_per_host() -> None:
    assert argvs("account_disable", "APP", "DB", "WAS", account="jh.chen") == [
        "usermod --lock --expiredate 1 -- jh.chen",
        "usermod --lock --expiredate 1 -- jh.chen",
    ]
    assert plan("account_disable", "WAS", account="a").risk == "HIGH"


@pytest.mark.parametrize("account", ["root", "ops", "nobody", "Root", "1kim", "a" * 33, "kim$", ""])
def test_others_are_refused(account: str) -> None:
    assert "System accounts" in refusal("account_disable", "WAS", account=account)
