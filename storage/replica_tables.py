"""The tables of running beside each other, and of second factors. See storage/tables.py."""

import sqlalchemy as sa

from storage.schema import metadata, row_id, table

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # the work: "inbox", "telegram" …
    sa.Column("holder", sa.Text, nullable=False),  # the replica
    sa.Column("fence", sa.BigInteger, nullable=False),  # grows with each new holder
    sa.Column("until", sa.BigInteger, nullable=False),
)

replicas = sa.Table(
    "replicas",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("beat_at", sa.BigInteger, nullable=False),
)

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("target", sa.Text, primary_key=True),  # one action at a time touches it
    sa.Column("action_id", row_id, sa.ForeignKey("actions.id"), nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("since", sa.BigInteger, nullable=False),
)

presences = table(
    "presences",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("replica", sa.Text, nullable=False),
    sa.Column("room_id", row_id, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),  # of the agent that listens there
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("replica", "room_id", "name"),
)

second_factors = sa.Table(
    "second_factors",
    metadata,
    sa.Column("person_id", row_id, sa.ForeignKey("people.id"), primary_key=True),
    sa.Column("sealed", sa.Text, nullable=False),  # the TOTP secret, encrypted
    sa.Column("enrolled_at", sa.BigInteger, nullable=False),
    sa.Column("last_step", sa.BigInteger, nullable=False, server_default="0"),  # no code twice
)

failures = table(
    "failures",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("what", sa.Text, nullable=False),  # sign-in, code
    sa.Column("who", sa.Text, nullable=False),  # an address, a person
    sa.Column("at", sa.BigInteger, nullable=False),
)
sa.Index("ix_failures_who", failures.c.what, failures.c.who, failures.c.at)
