"""What every table is made with: one metadata, one way to name keys, one way to number rows."""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

row_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def table(name: str, *columns: sa.schema.SchemaItem) -> sa.Table:
    """A table whose rows are numbered and never numbered alike again."""
    return sa.Table(name, metadata, *columns, sqlite_autoincrement=True)
