"""Lock an account of a host: its password is locked, and it expired in January 1970.

System accounts are refused, and so is Watchstander's own login on the host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.actions.action_type import ActionType, Context, Slots, each_host
from engine.actions.slots import ACCOUNT, NEEDED, refuse
from engine.inventory import Asset


def _slots(_: Context) -> Slots:
    return {"account": (ACCOUNT, NEEDED)}


def _argv(asset: Asset, params: Mapping[str, Any], context: Context) -> list[str]:
    account: str = params["account"]
    if account == context.login(asset):
        raise refuse("account", account, ACCOUNT.rule)
    return ["usermod", "--lock", "--expiredate", "1", "--", account]


ACCOUNT_DISABLE = ActionType("account_disable", each_host(_argv), _slots)
