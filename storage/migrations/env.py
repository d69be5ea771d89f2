"""Alembic's entry: runs the revisions on the connection that storage/migrate.py hands in."""

from alembic import context

from storage.all_tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter a column in place: later revisions copy the table.
    render_as_batch=True,
    # Our transaction is already open on both databases: all revisions happen, or none.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
