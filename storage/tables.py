"""The tables of people, rooms, messages, actions and requests. Migrations must end at this schema.

Times are integers: milliseconds since 1970 in UTC, so that both databases compare them alike.
JSON columns hold text: what a digest covers must come back byte for byte.
"""

import sqlalchemy as sa

from storage.schema import metadata, row_id, table

people = table(
    "people",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("role", sa.Text, nullable=False),  # AGENT REQUESTER ENGINEER ADMIN
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("skills", sa.Text, nullable=False, server_default="[]"),
    sa.Column("on_call", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
)

identities = table(
    "identities",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("person_id", row_id, sa.ForeignKey("people.id"), nullable=False),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),  # Slack team; "" elsewhere
    sa.Column("user", sa.Text, nullable=False),  # the platform's immutable id
    sa.UniqueConstraint("platform", "tenant", "user"),
)

tokens = table(
    "tokens",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("person_id", row_id, sa.ForeignKey("people.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # api, signin, session
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("revoked_at", sa.BigInteger),
    sa.Column("used_at", sa.BigInteger),
)

rooms = table(
    "rooms",
    sa.Column("id", row_id, primary_key=True),
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

inbox = table(
    "inbox",
    sa.Column("id", row_id, primary_key=True),
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

outbox = table(
    "outbox",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("room_id", row_id, sa.ForeignKey("rooms.id"), nullable=False),
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

cards = table(
    "cards",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("room_id", row_id, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("message", sa.Text),  # the platform's id of the message, once it is posted
    sa.Column("shown", sa.Text),  # hash of what the room last saw
    sa.UniqueConstraint("subject", "room_id"),
)

buttons = table(
    "buttons",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("token", sa.Text, nullable=False, unique=True),
    sa.Column("room_id", row_id, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("card_id", row_id, sa.ForeignKey("cards.id")),  # null on a one-off question
    sa.Column("person_id", row_id),  # only this person may press it; null = whoever has the right
    sa.Column("question", row_id),  # outbox row of a question that takes one answer
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("used_at", sa.BigInteger),
)
sa.Index("ix_buttons_card", buttons.c.card_id)
sa.Index("ix_buttons_question", buttons.c.question)

actions = table(
    "actions",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("targets", sa.Text, nullable=False),
    sa.Column("params", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("requester_id", row_id, sa.ForeignKey("people.id"), nullable=False),
    sa.Column("room_id", row_id, sa.ForeignKey("rooms.id")),  # where it was asked; null from REST
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
    sa.Column("decided_by", row_id, sa.ForeignKey("people.id")),
    sa.Column("decided_at", sa.BigInteger),
    sa.Column("comment", sa.Text, nullable=False, server_default=""),
    sa.Column("run_by", sa.BigInteger),
    sa.Column("run_id", sa.Text),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("result", sa.Text),
    sa.Column("superseded_by", row_id),
    sa.Column("beat_at", sa.BigInteger),  # the runner's last sign of life
    sa.Column("progress", sa.Text),  # what each host is at, while it runs
    sa.Column("cancelled_by", row_id),  # whoever asked to begin nothing more
    sa.Column("cancelled_at", sa.BigInteger),
)
sa.Index("ix_actions_state", actions.c.state, actions.c.id)

requests = table(
    "requests",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),  # SR-YYYYMMDD-NNNN
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False, server_default=""),
    sa.Column("type", sa.Text),
    sa.Column("priority", sa.Text),
    sa.Column("suggestion", sa.Text),  # the model's reading, shown, never acted on
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("requester_id", row_id, sa.ForeignKey("people.id"), nullable=False),
    sa.Column("assignee_id", row_id, sa.ForeignKey("people.id")),
    sa.Column("room_id", row_id, sa.ForeignKey("rooms.id")),
    sa.Column("origin", sa.Text, unique=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("due_at", sa.BigInteger),
    sa.Column("escalated_at", sa.BigInteger),
    sa.Column("breached_at", sa.BigInteger),
    sa.Column("closed_at", sa.BigInteger),
)
sa.Index("ix_requests_state", requests.c.state, requests.c.id)
sa.Index("ix_requests_due", requests.c.state, requests.c.due_at)

request_events = table(
    "request_events",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("request_id", row_id, sa.ForeignKey("requests.id"), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("person_id", row_id),  # null = Watchstander itself
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)
sa.Index("ix_request_events_request", request_events.c.request_id, request_events.c.id)

freezes = table(
    "freezes",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("begun_at", sa.BigInteger, nullable=False),
    sa.Column("begun_by", row_id, sa.ForeignKey("people.id"), nullable=False),
    sa.Column("ended_at", sa.BigInteger),
    sa.Column("ended_by", row_id, sa.ForeignKey("people.id")),
)

counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # "SR-20261120"
    sa.Column("value", sa.BigInteger, nullable=False),
)

messages = table(
    "messages",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),  # MSG-YYYYMMDD-NNNN
    sa.Column("room_id", row_id, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("sender_type", sa.Text, nullable=False),  # HUMAN BOT AGENT
    sa.Column("to_person", row_id),  # only this person sees it; null = the room
    sa.Column("dedupe", sa.Text, unique=True),  # "outbox:9": a repeated post is the same message
    sa.Column("body", sa.Text, nullable=False),
)
sa.Index("ix_messages_room", messages.c.room_id, messages.c.id)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", row_id, primary_key=True, autoincrement=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
