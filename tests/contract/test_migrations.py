"""The migrations make this version's tables, on both databases, and know when to keep away."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from storage import migrate, people
from storage.all_tables import metadata
from storage.database import Database, DatabaseSettings
from storage.migrate import Schema, WrongSchema


def differences(connection: sa.Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


def shape(connection: sa.Connection) -> dict[str, object]:
    """The tables as the database tells them, with defaults, key names and partial indexes."""
    inspector = sa.inspect(connection)
    found: dict[str, object] = {}
    for table in metadata.tables:
        found[table] = (
            [
                (column["name"], str(column["type"]), column["nullable"], column["default"])
                for column in inspector.get_columns(table)
            ],
            inspector.get_pk_constraint(table)["name"],
            sorted(str(key["name"]) for key in inspector.get_foreign_keys(table)),
            sorted(str(key["name"]) for key in inspector.get_unique_constraints(table)),
            sorted(
                (str(index["name"]), [str(x) for x in index.get("dialect_options", {}).values()])
                for index in inspector.get_indexes(table)
            ),
        )
    return found


async def test_upgrade_makes_the_tables_of_this_version(bare_db: Database) -> None:
    assert await migrate.state(bare_db) is Schema.EMPTY
    assert await migrate.upgrade(bare_db)
    assert await migrate.state(bare_db) is Schema.CURRENT
    async with bare_db.writer.begin() as connection:
        assert await connection.run_sync(differences) == []
        migrated = await connection.run_sync(shape)
        await connection.execute(sa.text("DROP TABLE alembic_version"))
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        assert await connection.run_sync(shape) == migrated


async def test_a_second_upgrade_keeps_what_is_there(bare_db: Database) -> None:
    await migrate.upgrade(bare_db)
    listing = people.Listing("한지우", people.Role.ADMIN, "ko")
    async with bare_db.write() as tx:
        await people.sync(tx, [listing])
    assert not await migrate.upgrade(bare_db)
    async with bare_db.read() as tx:
        assert [person.name for person in await people.everyone(tx)] == ["한지우"]


async def test_the_tables_number_their_rows_themselves(bare_db: Database) -> None:
    await migrate.upgrade(bare_db)
    async with bare_db.write() as tx:
        for number in range(3):
            await tx.insert(
                metadata.tables["rooms"], platform="web", tenant="", address=f"room{number}"
            )
        rows = await tx.all(sa.select(metadata.tables["rooms"].c.id).order_by("id"))
    assert [row.id for row in rows] == [1, 2, 3]


async def test_downgrade_to_base_leaves_no_table(bare_db: Database) -> None:
    await migrate.upgrade(bare_db)
    async with bare_db.writer.begin() as connection:
        await connection.run_sync(migrate.to_revision, "base")
        left = await connection.run_sync(lambda c: sa.inspect(c).get_table_names())
    assert left == ["alembic_version"]
    assert await migrate.state(bare_db) is Schema.EMPTY
    assert await migrate.upgrade(bare_db)


async def test_a_database_from_a_later_version_is_left_alone(bare_db: Database) -> None:
    await migrate.upgrade(bare_db)
    async with bare_db.writer.begin() as connection:
        await connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    assert await migrate.state(bare_db) is Schema.NEWER
    for call in (migrate.upgrade, migrate.require_current):
        with pytest.raises(WrongSchema, match="later version"):
            await call(bare_db)
    async with bare_db.writer.connect() as connection:
        kept = await connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    assert kept == "9999"


async def test_the_database_of_another_program_is_left_alone(bare_db: Database) -> None:
    async with bare_db.writer.begin() as connection:
        await connection.execute(sa.text("CREATE TABLE invoices (id INTEGER)"))
    with pytest.raises(WrongSchema, match="did not make"):
        await migrate.upgrade(bare_db)
    async with bare_db.writer.connect() as connection:
        tables = await connection.run_sync(lambda c: sa.inspect(c).get_table_names())
    assert tables == ["invoices"]


async def test_a_revision_that_fails_leaves_nothing_behind(bare_db: Database) -> None:
    """The first revision stops half way: a view is in the place of its last table."""
    async with bare_db.writer.begin() as connection:
        await connection.execute(sa.text("CREATE VIEW request_events AS SELECT 1 AS one"))
    with pytest.raises(sa.exc.DBAPIError):
        await migrate.upgrade(bare_db)
    async with bare_db.writer.connect() as connection:
        tables = await connection.run_sync(lambda c: sa.inspect(c).get_table_names())
    assert tables == []


async def test_replicas_that_start_together_migrate_once(postgres_url: str) -> None:
    databases = [Database.open(DatabaseSettings(postgres_url)) for _ in range(4)]
    done = await asyncio.gather(*(migrate.upgrade(database) for database in databases))
    assert sorted(done) == [False, False, False, True]
    for database in databases:
        await database.close()
