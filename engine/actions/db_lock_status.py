"""Who waits for whom in a database. One fixed query per engine; nothing of it comes from a person.

The engine is told by the asset's unit or container name, or by one of its further names.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.actions.action_type import ActionType, container, each
from engine.errors import GiveUp, Why
from engine.inventory import Asset
from prompts.texts import text

_ENGINES = {"postgres": "postgresql", "pgsql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}

_POSTGRESQL = (
    "SELECT pid, pg_blocking_pids(pid) AS blocked_by, now() - query_start AS waiting, state,"
    " wait_event_type, left(query, 120) AS query FROM pg_stat_activity"
    " WHERE cardinality(pg_blocking_pids(pid)) > 0 ORDER BY query_start LIMIT 50"
)
_MYSQL = (
    "SELECT trx_mysql_thread_id, trx_state, trx_started, trx_wait_started,"
    " LEFT(trx_query, 120) AS query FROM information_schema.innodb_trx"
    " ORDER BY trx_wait_started IS NULL, trx_started LIMIT 50"
)


def _engine(asset: Asset) -> str:
    for name in (asset.service, asset.container, *asset.names):
        for word, engine in _ENGINES.items():
            if word in name.lower():
                return engine
    raise GiveUp(Why.INVALID, text("plan_no_db_engine", asset=asset.code))


def _argv(asset: Asset) -> Sequence[str]:
    # -X and -w: no start-up file, and never a password prompt that nobody would answer.
    clients = {
        "postgresql": ["psql", "-X", "-A", "-w", "-d", "postgres", "-c", _POSTGRESQL],
        "mysql": ["mysql", "--batch", "-e", _MYSQL],
    }
    argv = clients[_engine(asset)]
    if not asset.container:
        return argv
    if argv[0] == "psql":
        # Inside the official image the superuser has this name and needs no password.
        argv[1:1] = ["-U", "postgres"]
    return ["docker", "exec", "--", container(asset), *argv]


DB_LOCK_STATUS = ActionType("db_lock_status", each(_argv), changes=False)
