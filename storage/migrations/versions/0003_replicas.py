"""Running beside each other: leases, holds, signs of life; progress of runs; second factors.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_RUN_COLUMNS = ("beat_at", "progress", "cancelled_by", "cancelled_at")


def upgrade() -> None:
    op.add_column("actions", sa.Column("beat_at", sa.BigInteger()))
    op.add_column("actions", sa.Column("progress", sa.Text()))
    op.add_column("actions", sa.Column("cancelled_by", ROW_ID))
    op.add_column("actions", sa.Column("cancelled_at", sa.BigInteger()))
    op.add_column("clocks", sa.Column("report", sa.Text()))
    for make in TABLES.values():
        make()


def downgrade() -> None:
    # The version before knows no such state; what is called off has not run and never will.
    op.execute("UPDATE actions SET state = 'EXPIRED' WHERE state = 'CANCELLED'")
    for name in reversed(TABLES):
        op.drop_table(name)
    op.drop_column("clocks", "report")
    for column in reversed(_RUN_COLUMNS):
        op.drop_column("actions", column)


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )


def _replicas() -> None:
    op.create_table(
        "replicas",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("beat_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_replicas"),
    )


def _holds() -> None:
    op.create_table(
        "holds",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("action_id", ROW_ID, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("target", name="pk_holds"),
        sa.ForeignKeyConstraint(["action_id"], ["actions.id"], name="fk_holds_action_id"),
    )


def _presences() -> None:
    op.create_table(
        "presences",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("replica", sa.Text(), nullable=False),
        sa.Column("room_id", ROW_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_presences"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_presences_room_id"),
        sa.UniqueConstraint("replica", "room_id", "name", name="uq_presences_replica_room_id_name"),
        sqlite_autoincrement=True,
    )


def _second_factors() -> None:
    op.create_table(
        "second_factors",
        sa.Column("person_id", ROW_ID, nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("enrolled_at", sa.BigInteger(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("person_id", name="pk_second_factors"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_second_factors_person_id"),
    )


def _failures() -> None:
    op.create_table(
        "failures",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_failures"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_failures_who", "failures", ["what", "who", "at"])


TABLES = {
    "leases": _leases,
    "replicas": _replicas,
    "holds": _holds,
    "presences": _presences,
    "second_factors": _second_factors,
    "failures": _failures,
}
