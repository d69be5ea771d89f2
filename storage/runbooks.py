"""Which article was written of which repairs, and whether its symptom came back."""

from __future__ import annotations

import sqlalchemy as sa

from storage.article_tables import articles
from storage.articles import Article, Kind, read, whole
from storage.database import Transaction
from storage.incident_tables import attempts, incidents
from storage.lifecycle import ArticleState


async def of_repairs(
    tx: Transaction, kind: Kind, symptom: str, *, playbook: str, action_type: str
) -> Article | None:
    """The newest article of a kind about a symptom that an attempt of the same playbook, or of
    the same action where ``playbook`` is "", was written into; retired ones are forgotten."""
    told = sa.literal("attempt:") + sa.cast(attempts.c.id, sa.Text)
    same = attempts.c.playbook == playbook if playbook else attempts.c.action_type == action_type
    query = whole.where(
        articles.c.kind == kind.value,
        articles.c.symptom == symptom,
        articles.c.state != ArticleState.RETIRED.value,
        articles.c.origin.in_(sa.select(told).where(attempts.c.symptom == symptom, same)),
    )
    row = await tx.one(query.order_by(articles.c.id.desc()).limit(1))
    return read(row) if row else None


async def came_back(tx: Transaction, article: Article) -> int:
    """How many incidents with its symptom were opened since it was published."""
    if not article.symptom or article.published_at is None:
        return 0
    row = await tx.one(
        sa.select(sa.func.count())
        .select_from(incidents)
        .where(
            incidents.c.symptom == article.symptom, incidents.c.created_at > article.published_at
        )
    )
    assert row is not None
    return int(row[0])
