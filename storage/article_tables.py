"""The tables of knowledge: articles, what became of them, and answers. See storage/tables.py."""

import sqlalchemy as sa

from storage.schema import row_id, table

articles = table(
    "articles",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),  # KB-YYYYMMDD-NNNN
    sa.Column("kind", sa.Text, nullable=False),  # ARTICLE RUNBOOK ANTI_PATTERN
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("questions", sa.Text, nullable=False, server_default="[]"),  # likely ones, JSON
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, unique=True),  # "request:5", "attempt:3": one draft each
    sa.Column("symptom", sa.Text, nullable=False, server_default=""),
    sa.Column("author_id", row_id),  # null = Watchstander itself
    sa.Column("reviewer_id", row_id),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),  # +1 per edit
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
    sa.Column("published_at", sa.BigInteger),
    sa.Column("solved", sa.Integer, nullable=False, server_default="0"),  # votes
    sa.Column("unsolved", sa.Integer, nullable=False, server_default="0"),
)
sa.Index("ix_articles_state", articles.c.state, articles.c.id)

article_events = table(
    "article_events",
    sa.Column("id", row_id, primary_key=True),
    sa.Column("article_id", row_id, sa.ForeignKey("articles.id"), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("person_id", row_id),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),  # JSON; for an edit, what stood there before
)
sa.Index("ix_article_events_article", article_events.c.article_id, article_events.c.id)

answers = table(
    "answers",  # what the knowledge base answered, and whether that solved it
    sa.Column("id", row_id, primary_key=True),
    sa.Column("request_id", row_id, sa.ForeignKey("requests.id")),
    sa.Column("article_id", row_id, sa.ForeignKey("articles.id"), nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("passage", sa.Text, nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),  # JSON: what the confidence was made from
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("solved", sa.Boolean),  # null = nobody has said
    sa.Column("said_by", row_id),
    sa.Column("said_at", sa.BigInteger),
)
sa.Index("ix_answers_request", answers.c.request_id, answers.c.id)
sa.Index("ix_answers_article", answers.c.article_id, answers.c.id)
