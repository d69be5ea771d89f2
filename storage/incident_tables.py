"""The tables of incidents, repairs, health checks and what runs out. See storage/tables.py."""

import sqlalchemy as sa

from storage.schema import metadata, row_id, table

incidents = table(
    "incidents",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),  # INC-YYYYMMDD-NNNN
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),  # P1 P2 P3
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("asset", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.Text, nullable=False, server_default=""),  # log lines, tail of stderr
    sa.Column("kind", sa.Text, nullable=False, server_default="UNKNOWN"),  # its class
    sa.Column("symptom", sa.Text, nullable=False, server_default=""),
    sa.Column("fingerprint", sa.Text, nullable=False, server_default=""),
    sa.Column("count", sa.Integer, nullable=False, server_default="1"),  # reports that it fires
    sa.Column("flaps", sa.Integer, nullable=False, server_default="0"),  # times it came back
    sa.Column("last_seen_at", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("cleared_at", sa.BigInteger),  # the source said that it is over; null = it fires
    sa.Column("heal_at", sa.BigInteger),  # when the healer looks at it; null = it need not
    sa.Column("assignee_id", row_id),  # whoever took it
    sa.Column("escalated_at", sa.BigInteger),
    sa.Column("resolved_at", sa.BigInteger),
)
sa.Index("ix_incidents_state", incidents.c.state, incidents.c.id)
sa.Index("ix_incidents_symptom", incidents.c.symptom, incidents.c.id)
sa.Index("ix_incidents_fingerprint", incidents.c.source, incidents.c.fingerprint, incidents.c.id)
sa.Index(
    "uq_incidents_unresolved",
    incidents.c.source,
    incidents.c.fingerprint,
    unique=True,
    sqlite_where=sa.text("state <> 'RESOLVED' AND fingerprint <> ''"),
    postgresql_where=sa.text("state <> 'RESOLVED' AND fingerprint <> ''"),
)

incident_events = table(
    "incident_events",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("incident_id", row_id, sa.ForeignKey("incidents.id"), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("person_id", row_id),  # null = Watchstander itself
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)
sa.Index("ix_incident_events_incident", incident_events.c.incident_id, incident_events.c.id)

attempts = table(
    "attempts",  # the heal log
    sa.Column("id", row_id, primary_key=True),
    sa.Column("incident_id", row_id, sa.ForeignKey("incidents.id"), nullable=False),
    sa.Column("playbook", sa.Text, nullable=False),
    sa.Column("playbook_digest", sa.Text, nullable=False),
    sa.Column("symptom", sa.Text, nullable=False),
    sa.Column("action_type", sa.Text, nullable=False, server_default=""),  # "" = no command
    sa.Column("targets", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("due_at", sa.BigInteger, nullable=False),  # when the healer looks at it next
    sa.Column("action_id", row_id),
    sa.Column("undo_id", row_id),  # the inverse action
    sa.Column("findings", sa.Text, nullable=False, server_default="{}"),  # before, after, settled
    sa.Column("reason", sa.Text),  # JSON of Text: why it ended as it did
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("acted_at", sa.BigInteger),  # when its action had run
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("learned_at", sa.BigInteger),  # when it became knowledge; null = not yet
)
sa.Index("ix_attempts_due", attempts.c.state, attempts.c.due_at)
sa.Index("ix_attempts_incident", attempts.c.incident_id, attempts.c.id)
sa.Index("ix_attempts_playbook", attempts.c.playbook, attempts.c.started_at)
sa.Index("ix_attempts_started", attempts.c.started_at)

attempt_targets = table(
    "attempt_targets",  # one row a target, so that guards can count
    sa.Column("id", row_id, primary_key=True),
    sa.Column("attempt_id", row_id, sa.ForeignKey("attempts.id"), nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.UniqueConstraint("attempt_id", "target"),
)
sa.Index("ix_attempt_targets_target", attempt_targets.c.target, attempt_targets.c.attempt_id)

playbook_switches = table(
    "playbook_switches",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("playbook", sa.Text, nullable=False, unique=True),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("person_id", row_id, sa.ForeignKey("people.id"), nullable=False),
)

breakers = table(
    "breakers",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("scope", sa.Text, nullable=False),  # "global", "target:CODE", "symptom:HASH"
    sa.Column("limit", sa.Integer, nullable=False),  # attempts an hour
    sa.Column("opened_at", sa.BigInteger, nullable=False),
    sa.Column("reminded_at", sa.BigInteger, nullable=False),
    sa.Column("closed_at", sa.BigInteger),
    sa.Column("closed_by", row_id),
)
sa.Index(
    "uq_breakers_open",
    breakers.c.scope,
    unique=True,
    sqlite_where=sa.text("closed_at IS NULL"),
    postgresql_where=sa.text("closed_at IS NULL"),
)

blocks = table(
    "blocks",  # what an anti-pattern keeps from being tried again
    sa.Column("id", row_id, primary_key=True),
    sa.Column("symptom", sa.Text, nullable=False),
    sa.Column("action_type", sa.Text, nullable=False),
    sa.Column("attempt_id", row_id, sa.ForeignKey("attempts.id"), nullable=False, unique=True),
    sa.Column("article_id", row_id),  # its anti-pattern, once that is written
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("lifted_at", sa.BigInteger),
    sa.Column("lifted_by", row_id),  # null = Watchstander itself
    sa.Column("lifted_why", sa.Text),  # person, clean runs
    sa.Column("avoided", sa.Integer, nullable=False, server_default="0"),  # attempts it stopped
)
sa.Index("ix_blocks_symptom", blocks.c.symptom, blocks.c.action_type)

checks = table(
    "checks",  # the last look of each configured health check
    sa.Column("id", row_id, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("ok", sa.Boolean),  # null = it could not be told
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),  # in a row
    sa.Column("firing", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("detail", sa.Text, nullable=False, server_default=""),  # JSON of Text
    sa.Column("looked_at", sa.BigInteger, nullable=False),
    sa.Column("since", sa.BigInteger, nullable=False),  # when ``ok`` last changed
)

nudges = table(
    "nudges",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("room_id", row_id, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("rule", sa.Text, nullable=False),  # "" = the whole room
    sa.Column("offered_at", sa.BigInteger),
    sa.Column("off", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("room_id", "rule"),
)

expiries = table(
    "expiries",  # certificates, licences and domains: when each ends, and what was told
    sa.Column("id", row_id, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),  # certificate licence domain
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("ends_at", sa.BigInteger),  # null = not known yet
    sa.Column("looked_at", sa.BigInteger),
    sa.Column("problem", sa.Text, nullable=False, server_default=""),  # JSON: text, since, told
    sa.Column("told_days", sa.Integer),  # the last threshold that was told for this end
    sa.UniqueConstraint("kind", "name"),
)

clocks = sa.Table(
    "clocks",  # work that comes back: the local day ("2026-11-20") or moment it was last done
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, nullable=False),
    sa.Column("report", sa.Text),  # what it did then
)
