"""The first tables: people, rooms, inbox and outbox, actions, requests, audit.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for make in TABLES.values():
        make()


def downgrade() -> None:
    for name in reversed(TABLES):
        op.drop_table(name)


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )


def _counters() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False, server_default=""),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("not_before", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("error", sa.Text()),
        sa.Column("handled_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
        sa.UniqueConstraint("source", "delivery_id", name="uq_inbox_source_delivery_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inbox_waiting", "inbox", ["state", "id"])


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
        sa.UniqueConstraint("key", name="uq_incidents_key"),
        sqlite_autoincrement=True,
    )


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("skills", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("on_call", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.PrimaryKeyConstraint("id", name="pk_people"),
        sa.UniqueConstraint("name", name="uq_people_name"),
        sqlite_autoincrement=True,
    )


def _rooms() -> None:
    op.create_table(
        "rooms",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, server_default=""),
        sa.Column("language", sa.Text(), nullable=False, server_default="en"),
        sa.Column("listed", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("cards", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("approvals", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("id", name="pk_rooms"),
        sa.UniqueConstraint(
            "platform", "tenant", "address", name="uq_rooms_platform_tenant_address"
        ),
        sqlite_autoincrement=True,
    )


def _actions() -> None:
    op.create_table(
        "actions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("targets", sa.Text(), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False, server_default=""),
        sa.Column("requester_id", ROW_ID, nullable=False),
        sa.Column("room_id", ROW_ID),
        sa.Column("origin", sa.Text()),
        sa.Column("risk", sa.Text(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("decide_by", sa.BigInteger()),
        sa.Column("escalated_at", sa.BigInteger()),
        sa.Column("decided_by", ROW_ID),
        sa.Column("decided_at", sa.BigInteger()),
        sa.Column("comment", sa.Text(), nullable=False, server_default=""),
        sa.Column("run_by", sa.BigInteger()),
        sa.Column("run_id", sa.Text()),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("finished_at", sa.BigInteger()),
        sa.Column("result", sa.Text()),
        sa.Column("superseded_by", ROW_ID),
        sa.PrimaryKeyConstraint("id", name="pk_actions"),
        sa.ForeignKeyConstraint(["requester_id"], ["people.id"], name="fk_actions_requester_id"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_actions_room_id"),
        sa.ForeignKeyConstraint(["decided_by"], ["people.id"], name="fk_actions_decided_by"),
        sa.UniqueConstraint("origin", name="uq_actions_origin"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_actions_state", "actions", ["state", "id"])


def _cards() -> None:
    op.create_table(
        "cards",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("room_id", ROW_ID, nullable=False),
        sa.Column("message", sa.Text()),
        sa.Column("shown", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_cards"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_cards_room_id"),
        sa.UniqueConstraint("subject", "room_id", name="uq_cards_subject_room_id"),
        sqlite_autoincrement=True,
    )


def _freezes() -> None:
    op.create_table(
        "freezes",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("begun_by", ROW_ID, nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("ended_by", ROW_ID),
        sa.PrimaryKeyConstraint("id", name="pk_freezes"),
        sa.ForeignKeyConstraint(["begun_by"], ["people.id"], name="fk_freezes_begun_by"),
        sa.ForeignKeyConstraint(["ended_by"], ["people.id"], name="fk_freezes_ended_by"),
        sqlite_autoincrement=True,
    )


def _identities() -> None:
    op.create_table(
        "identities",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("person_id", ROW_ID, nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identities"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_identities_person_id"),
        sa.UniqueConstraint(
            "platform", "tenant", "user", name="uq_identities_platform_tenant_user"
        ),
        sqlite_autoincrement=True,
    )


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("room_id", ROW_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("sender_type", sa.Text(), nullable=False),
        sa.Column("to_person", ROW_ID),
        sa.Column("dedupe", sa.Text()),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_messages_room_id"),
        sa.UniqueConstraint("key", name="uq_messages_key"),
        sa.UniqueConstraint("dedupe", name="uq_messages_dedupe"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_messages_room", "messages", ["room_id", "id"])


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("room_id", ROW_ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text()),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("not_before", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger()),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_outbox_room_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_waiting", "outbox", ["state", "not_before", "id"])
    op.create_index(
        "uq_outbox_waiting_card",
        "outbox",
        ["room_id", "subject"],
        unique=True,
        sqlite_where=sa.text("kind = 'card' AND state = 'WAITING'"),
        postgresql_where=sa.text("kind = 'card' AND state = 'WAITING'"),
    )


def _requests() -> None:
    op.create_table(
        "requests",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False, server_default=""),
        sa.Column("type", sa.Text()),
        sa.Column("priority", sa.Text()),
        sa.Column("suggestion", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("requester_id", ROW_ID, nullable=False),
        sa.Column("assignee_id", ROW_ID),
        sa.Column("room_id", ROW_ID),
        sa.Column("origin", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger()),
        sa.Column("escalated_at", sa.BigInteger()),
        sa.Column("breached_at", sa.BigInteger()),
        sa.Column("closed_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
        sa.ForeignKeyConstraint(["requester_id"], ["people.id"], name="fk_requests_requester_id"),
        sa.ForeignKeyConstraint(["assignee_id"], ["people.id"], name="fk_requests_assignee_id"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_requests_room_id"),
        sa.UniqueConstraint("key", name="uq_requests_key"),
        sa.UniqueConstraint("origin", name="uq_requests_origin"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_requests_due", "requests", ["state", "due_at"])
    op.create_index("ix_requests_state", "requests", ["state", "id"])


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("person_id", ROW_ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.Column("used_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_tokens_person_id"),
        sa.UniqueConstraint("hash", name="uq_tokens_hash"),
        sqlite_autoincrement=True,
    )


def _buttons() -> None:
    op.create_table(
        "buttons",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("room_id", ROW_ID, nullable=False),
        sa.Column("card_id", ROW_ID),
        sa.Column("person_id", ROW_ID),
        sa.Column("question", ROW_ID),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_buttons"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_buttons_room_id"),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name="fk_buttons_card_id"),
        sa.UniqueConstraint("token", name="uq_buttons_token"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_buttons_card", "buttons", ["card_id"])
    op.create_index("ix_buttons_question", "buttons", ["question"])


def _request_events() -> None:
    op.create_table(
        "request_events",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("request_id", ROW_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("person_id", ROW_ID),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_request_events"),
        sa.ForeignKeyConstraint(
            ["request_id"], ["requests.id"], name="fk_request_events_request_id"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_request_events_request", "request_events", ["request_id", "id"])


TABLES = {
    "audit": _audit,
    "counters": _counters,
    "inbox": _inbox,
    "incidents": _incidents,
    "people": _people,
    "rooms": _rooms,
    "actions": _actions,
    "cards": _cards,
    "freezes": _freezes,
    "identities": _identities,
    "messages": _messages,
    "outbox": _outbox,
    "requests": _requests,
    "tokens": _tokens,
    "buttons": _buttons,
    "request_events": _request_events,
}
"""In the order in which they refer to each other."""
