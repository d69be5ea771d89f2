"""Incidents with their repairs, and knowledge: alerts, attempts, guards, checks, articles, expiry.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _incidents()
    for make in TABLES.values():
        make()


def downgrade() -> None:
    for name in reversed(TABLES):
        op.drop_table(name)
    _incidents_as_before()


def _incidents() -> None:
    for column in (
        sa.Column("detail", sa.Text(), nullable=False, server_default=""),
        sa.Column("kind", sa.Text(), nullable=False, server_default="UNKNOWN"),
        sa.Column("symptom", sa.Text(), nullable=False, server_default=""),
        sa.Column("fingerprint", sa.Text(), nullable=False, server_default=""),
        sa.Column("count", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("flaps", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("cleared_at", sa.BigInteger()),
        sa.Column("heal_at", sa.BigInteger()),
        sa.Column("assignee_id", ROW_ID),
        sa.Column("escalated_at", sa.BigInteger()),
        sa.Column("resolved_at", sa.BigInteger()),
    ):
        op.add_column("incidents", column)
    op.execute(
        "UPDATE incidents SET severity = CASE severity WHEN 'CRITICAL' THEN 'P1' ELSE 'P2' END,"
        " last_seen_at = created_at"
    )
    op.create_index("ix_incidents_fingerprint", "incidents", ["source", "fingerprint", "id"])
    op.create_index("ix_incidents_state", "incidents", ["state", "id"])
    op.create_index("ix_incidents_symptom", "incidents", ["symptom", "id"])
    op.create_index(
        "uq_incidents_unresolved",
        "incidents",
        ["source", "fingerprint"],
        unique=True,
        sqlite_where=sa.text("state <> 'RESOLVED' AND fingerprint <> ''"),
        postgresql_where=sa.text("state <> 'RESOLVED' AND fingerprint <> ''"),
    )


def _incidents_as_before() -> None:
    op.drop_index("ix_incidents_fingerprint", "incidents")
    op.drop_index("ix_incidents_state", "incidents")
    op.drop_index("ix_incidents_symptom", "incidents")
    op.drop_index("uq_incidents_unresolved", "incidents")
    op.execute(
        "UPDATE incidents SET severity = CASE severity WHEN 'P1' THEN 'CRITICAL' ELSE 'HIGH' END"
    )
    for name in (
        "resolved_at",
        "escalated_at",
        "assignee_id",
        "heal_at",
        "cleared_at",
        "last_seen_at",
        "flaps",
        "count",
        "fingerprint",
        "symptom",
        "kind",
        "detail",
    ):
        op.drop_column("incidents", name)


def _incident_events() -> None:
    op.create_table(
        "incident_events",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("incident_id", ROW_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("person_id", ROW_ID),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incident_events"),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name="fk_incident_events_incident_id"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_incident_events_incident", "incident_events", ["incident_id", "id"])


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("incident_id", ROW_ID, nullable=False),
        sa.Column("playbook", sa.Text(), nullable=False),
        sa.Column("playbook_digest", sa.Text(), nullable=False),
        sa.Column("symptom", sa.Text(), nullable=False),
        sa.Column("action_type", sa.Text(), nullable=False, server_default=""),
        sa.Column("targets", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("action_id", ROW_ID),
        sa.Column("undo_id", ROW_ID),
        sa.Column("findings", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("reason", sa.Text()),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("acted_at", sa.BigInteger()),
        sa.Column("finished_at", sa.BigInteger()),
        sa.Column("learned_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name="fk_attempts_incident_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_attempts_due", "attempts", ["state", "due_at"])
    op.create_index("ix_attempts_incident", "attempts", ["incident_id", "id"])
    op.create_index("ix_attempts_playbook", "attempts", ["playbook", "started_at"])
    op.create_index("ix_attempts_started", "attempts", ["started_at"])


def _attempt_targets() -> None:
    op.create_table(
        "attempt_targets",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("attempt_id", ROW_ID, nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_attempt_targets"),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempts.id"], name="fk_attempt_targets_attempt_id"
        ),
        sa.UniqueConstraint("attempt_id", "target", name="uq_attempt_targets_attempt_id_target"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_attempt_targets_target", "attempt_targets", ["target", "attempt_id"])


def _playbook_switches() -> None:
    op.create_table(
        "playbook_switches",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("playbook", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("person_id", ROW_ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_playbook_switches"),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name="fk_playbook_switches_person_id"
        ),
        sa.UniqueConstraint("playbook", name="uq_playbook_switches_playbook"),
        sqlite_autoincrement=True,
    )


def _breakers() -> None:
    op.create_table(
        "breakers",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("limit", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("reminded_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger()),
        sa.Column("closed_by", ROW_ID),
        sa.PrimaryKeyConstraint("id", name="pk_breakers"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_breakers_open",
        "breakers",
        ["scope"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )


def _blocks() -> None:
    op.create_table(
        "blocks",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("symptom", sa.Text(), nullable=False),
        sa.Column("action_type", sa.Text(), nullable=False),
        sa.Column("attempt_id", ROW_ID, nullable=False),
        sa.Column("article_id", ROW_ID),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("lifted_at", sa.BigInteger()),
        sa.Column("lifted_by", ROW_ID),
        sa.Column("lifted_why", sa.Text()),
        sa.Column("avoided", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_blocks"),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_blocks_attempt_id"),
        sa.UniqueConstraint("attempt_id", name="uq_blocks_attempt_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_blocks_symptom", "blocks", ["symptom", "action_type"])


def _checks() -> None:
    op.create_table(
        "checks",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ok", sa.Boolean()),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("firing", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("detail", sa.Text(), nullable=False, server_default=""),
        sa.Column("looked_at", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_checks"),
        sa.UniqueConstraint("name", name="uq_checks_name"),
        sqlite_autoincrement=True,
    )


def _nudges() -> None:
    op.create_table(
        "nudges",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("room_id", ROW_ID, nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("offered_at", sa.BigInteger()),
        sa.Column("off", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("id", name="pk_nudges"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_nudges_room_id"),
        sa.UniqueConstraint("room_id", "rule", name="uq_nudges_room_id_rule"),
        sqlite_autoincrement=True,
    )


def _expiries() -> None:
    op.create_table(
        "expiries",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.BigInteger()),
        sa.Column("looked_at", sa.BigInteger()),
        sa.Column("problem", sa.Text(), nullable=False, server_default=""),
        sa.Column("told_days", sa.Integer()),
        sa.PrimaryKeyConstraint("id", name="pk_expiries"),
        sa.UniqueConstraint("kind", "name", name="uq_expiries_kind_name"),
        sqlite_autoincrement=True,
    )


def _clocks() -> None:
    op.create_table(
        "clocks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_clocks"),
    )


def _articles() -> None:
    op.create_table(
        "articles",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("questions", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text()),
        sa.Column("symptom", sa.Text(), nullable=False, server_default=""),
        sa.Column("author_id", ROW_ID),
        sa.Column("reviewer_id", ROW_ID),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("published_at", sa.BigInteger()),
        sa.Column("solved", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("unsolved", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_articles"),
        sa.UniqueConstraint("key", name="uq_articles_key"),
        sa.UniqueConstraint("origin", name="uq_articles_origin"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_articles_state", "articles", ["state", "id"])


def _article_events() -> None:
    op.create_table(
        "article_events",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("article_id", ROW_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("person_id", ROW_ID),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_article_events"),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name="fk_article_events_article_id"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_article_events_article", "article_events", ["article_id", "id"])


def _answers() -> None:
    op.create_table(
        "answers",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("request_id", ROW_ID),
        sa.Column("article_id", ROW_ID, nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("passage", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("solved", sa.Boolean()),
        sa.Column("said_by", ROW_ID),
        sa.Column("said_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_answers"),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name="fk_answers_request_id"),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name="fk_answers_article_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_answers_article", "answers", ["article_id", "id"])
    op.create_index("ix_answers_request", "answers", ["request_id", "id"])


TABLES = {
    "incident_events": _incident_events,
    "attempts": _attempts,
    "attempt_targets": _attempt_targets,
    "playbook_switches": _playbook_switches,
    "breakers": _breakers,
    "blocks": _blocks,
    "checks": _checks,
    "nudges": _nudges,
    "expiries": _expiries,
    "clocks": _clocks,
    "articles": _articles,
    "article_events": _article_events,
    "answers": _answers,
}
