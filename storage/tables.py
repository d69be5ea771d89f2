"""The tables, once, for SQLite and PostgreSQL. Migrations must end at this schema (a test).

Times are integers: milliseconds since 1970 in UTC, so that both databases compare them alike.
JSON columns hold text: what a digest covers must come back byte for byte.
"""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _table(name: str, *columns: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(name, metadata, *columns, sqlite_autoincrement=True)


people = _table(
    "people",
    sa.Column("id", _id, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("role", sa.Text, nullable=False),  # AGENT REQUESTER ENGINEER ADMIN
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("skills", sa.Text, nullable=False, server_default="[]"),
    sa.Column("on_call", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
)

identities = _table(
    "identities",
    sa.Column("id", _id, primary_key=True),
    sa.Column("person_id", _id, sa.ForeignKey("people.id"), nullable=False),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),  # Slack team; "" elsewhere
    sa.Column("user", sa.Text, nullable=False),  # the platform's immutable id
    sa.UniqueConstraint("platform", "tenant", "user"),
)

tokens = _table(
    "tokens",
    sa.Column("id", _id, primary_key=True),
    sa.Column("person_id", _id, sa.ForeignKey("people.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # api, signin, session
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("revoked_at", sa.BigInteger),
    sa.Column("used_at", sa.BigInteger),
)

rooms = _table(
    "rooms",
    sa.Column("id", _id, primary_key=True),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False, server_default=""),
    sa.Column("language", sa.Text, nullable=False, server_default="en"),
    sa.Column("listed", sa.Boolean, nullable=False, server_default=sa.false()),  # in the config
    sa.Column("cards", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("approvals", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("platform", "tenant", "address"),
)

inbox = _table(
    "inbox",
    sa.Column("id", _id, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("delivery_id", sa.Text, nullable=False),
    sa.Column("lane", sa.Text, nullable=False, server_default=""),  # order is kept within a lane
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("received_at", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # NEW DONE FAILED
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("not_before", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("error", sa.Text),
    sa.Column("handled_at", sa.BigInteger),
    sa.UniqueConstraint("source", "delivery_id"),
)
sa.Index("ix_inbox_waiting", inbox.c.state, inbox.c.id)

outbox = _table(
    "outbox",
    sa.Column("id", _id, primary_key=True),
    sa.Column("room_id", _id, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # card, say, whisper, form
    sa.Column("subject", sa.Text),  # "action:17": at most one waiting card per subject and room
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),  # +1 per change to show
    sa.Column("state", sa.Text, nullable=False),  # WAITING SENT GAVE_UP
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("not_before", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("sent_at", sa.BigInteger),
    sa.Column("error", sa.Text),
)
sa.Index("ix_outbox_waiting", outbox.c.state, outbox.c.not_before, outbox.c.id)
sa.Index(
    "uq_outbox_waiting_card",
    outbox.c.room_id,
    outbox.c.subject,
    unique=True,
    sqlite_where=sa.text("kind = 'card' AND state = 'WAITING'"),
    postgresql_where=sa.text("kind = 'card' AND state = 'WAITING'"),
)

cards = _table(
    "cards",
    sa.Column("id", _id, primary_key=True),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("room_id", _id, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("message", sa.Text),  # the platform's id of the message, once it is posted
    sa.Column("shown", sa.Text),  # hash of what the room last saw
    sa.UniqueConstraint("subject", "room_id"),
)

buttons = _table(
    "buttons",
    sa.Column("id", _id, primary_key=True),
    sa.Column("token", sa.Text, nullable=False, unique=True),
    sa.Column("room_id", _id, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("card_id", _id, sa.ForeignKey("cards.id")),  # null on a one-off question
    sa.Column("person_id", _id),  # only this person may press it; null = whoever has the right
    sa.Column("question", _id),  # outbox row of a question that takes one answer
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("used_at", sa.BigInteger),
)
sa.Index("ix_buttons_card", buttons.c.card_id)
sa.Index("ix_buttons_question", buttons.c.question)

actions = _table(
    "actions",
    sa.Column("id", _id, primary_key=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("targets", sa.Text, nullable=False),
    sa.Column("params", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("requester_id", _id, sa.ForeignKey("people.id"), nullable=False),
    sa.Column("room_id", _id, sa.ForeignKey("rooms.id")),  # where it was asked; null from REST
    sa.Column("origin", sa.Text, unique=True),  # "inbox:5": one proposal per delivery
    sa.Column("risk", sa.Text, nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("policy_version", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("decide_by", sa.BigInteger),
    sa.Column("escalated_at", sa.BigInteger),
    sa.Column("decided_by", _id, sa.ForeignKey("people.id")),
    sa.Column("decided_at", sa.BigInteger),
    sa.Column("comment", sa.Text, nullable=False, server_default=""),
    sa.Column("run_by", sa.BigInteger),
    sa.Column("run_id", sa.Text),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("result", sa.Text),
    sa.Column("superseded_by", _id),
)
sa.Index("ix_actions_state", actions.c.state, actions.c.id)

requests = _table(
    "requests",
    sa.Column("id", _id, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),  # SR-YYYYMMDD-NNNN
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False, server_default=""),
    sa.Column("type", sa.Text),
    sa.Column("priority", sa.Text),
    sa.Column("suggestion", sa.Text),  # the model's reading, shown, never acted on
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("requester_id", _id, sa.ForeignKey("people.id"), nullable=False),
    sa.Column("assignee_id", _id, sa.ForeignKey("people.id")),
    sa.Column("room_id", _id, sa.ForeignKey("rooms.id")),
    sa.Column("origin", sa.Text, unique=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("due_at", sa.BigInteger),
    sa.Column("escalated_at", sa.BigInteger),
    sa.Column("breached_at", sa.BigInteger),
    sa.Column("closed_at", sa.BigInteger),
)
sa.Index("ix_requests_state", requests.c.state, requests.c.id)
sa.Index("ix_requests_due", requests.c.state, requests.c.due_at)

request_events = _table(
    "request_events",
    sa.Column("id", _id, primary_key=True),
    sa.Column("request_id", _id, sa.ForeignKey("requests.id"), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("person_id", _id),  # null = Watchstander itself
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)
sa.Index("ix_request_events_request", request_events.c.request_id, request_events.c.id)

incidents = _table(
    "incidents",
    sa.Column("id", _id, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),  # INC-YYYYMMDD-XXXX
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("asset", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

freezes = _table(
    "freezes",
    sa.Column("id", _id, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("begun_at", sa.BigInteger, nullable=False),
    sa.Column("begun_by", _id, sa.ForeignKey("people.id"), nullable=False),
    sa.Column("ended_at", sa.BigInteger),
    sa.Column("ended_by", _id, sa.ForeignKey("people.id")),
)

counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # "SR-20261120"
    sa.Column("value", sa.BigInteger, nullable=False),
)

messages = _table(
    "messages",
    sa.Column("id", _id, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),  # MSG-YYYYMMDD-NNNN
    sa.Column("room_id", _id, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("sender_type", sa.Text, nullable=False),  # HUMAN BOT AGENT
    sa.Column("to_person", _id),  # only this person sees it; null = the room
    sa.Column("dedupe", sa.Text, unique=True),  # "outbox:9": a repeated post is the same message
    sa.Column("body", sa.Text, nullable=False),
)
sa.Index("ix_messages_room", messages.c.room_id, messages.c.id)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", _id, primary_key=True, autoincrement=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
