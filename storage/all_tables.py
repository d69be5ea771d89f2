"""Every table of this version: migrations, tests and whoever needs the whole schema begin here."""

from storage import article_tables, incident_tables, replica_tables, tables
from storage.schema import metadata

__all__ = ["article_tables", "incident_tables", "metadata", "replica_tables", "tables"]
