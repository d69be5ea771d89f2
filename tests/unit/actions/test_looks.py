"""Disk, memory and database locks."""

from __future__ import annotations

from tests.unit.actions.stage import argvs, plan, refusal


def test_a_host_with_many_targets_is_asked_once() -> None:
    assert argvs("disk_status", "WAS", "APP", "DB") == ["df -hP", "df -hP"]
    assert [s.host for s in plan("memory_status", "APP", "DB", "WAS").steps] == ["box", "was-01"]
    assert argvs("memory_status", "APP", "DB") == ["free -m"]


def test_locks_are_asked_of_the_engine_that_the_names_tell() -> None:
    programs = {code: plan("db_lock_status", code).steps[0].argv for code in
                ("PG", "PG-BOX", "MY", "MY-BOX")}  # fmt: skip
    assert programs["PG"][:7] == ("psql", "-X", "-A", "-w", "-d", "postgres", "-c")
    assert programs["PG-BOX"][:7] == (
        "docker", "exec", "--", "shop-postgres", "psql", "-U", "postgres",
    )  # fmt: skip
    assert programs["MY"][:3] == ("mysql", "--batch", "-e")
    assert programs["MY-BOX"][:6] == ("docker", "exec", "--", "db", "mysql", "--batch")


def test_every_query_only_reads() -> None:
    for code in ("PG", "PG-BOX", "MY", "MY-BOX"):
        query = plan("db_lock_status", code).steps[0].argv[-1]
        assert query.startswith("SELECT ")
        assert ";" not in query


def test_an_unknown_engine_is_refused_with_the_mend() -> None:
    assert "must contain postgres, mysql or mariadb" in refusal("db_lock_status", "DB")
    assert "DB: its database engine is not known" in refusal("db_lock_status", "PG", "DB")
