"""Whether the database lets us write: found out at the start, not by the first caller."""

from sqlalchemy import Connection, Engine, delete, false, text

from bandit_service.errors import RefusedByDatabase
from bandit_service.store.engine import is_sqlite, telling, where, writing
from bandit_service.store.tables import compatible_revision, metadata, policy

# Tables of which rows are changed, not only added.
_CHANGED = {"policy", "policy_head", "outcome", "learned"}

_MISSING = text(
    "SELECT wanted FROM unnest(CAST(:wanted AS text[])) AS wanted "
    "WHERE NOT has_table_privilege(split_part(wanted, ' on ', 2), split_part(wanted, ' on ', 1))"
)


def check_rights(engine: Engine) -> None:
    """Raises RefusedByDatabase if it is read-only for us, or StoreUnavailable."""
    with telling(engine), writing(engine) as connection:
        if is_sqlite(engine):
            connection.execute(delete(policy).where(false()))
        elif why := _refusal(connection):
            raise RefusedByDatabase(where(engine), why)


def _refusal(connection: Connection) -> str:
    if connection.scalar(text("SHOW transaction_read_only")) == "on":
        return "it is read-only, a standby perhaps"
    wanted = []
    for table in metadata.tables.keys() - {compatible_revision.name}:
        wanted += [f"SELECT on {table}", f"INSERT on {table}"]
        wanted += [f"UPDATE on {table}"] if table in _CHANGED else []
    missing = connection.scalars(_MISSING, {"wanted": sorted(wanted)}).all()
    return f"its user may not {', '.join(missing)}" if missing else ""
