"""Writes decisions, and finds out what they draw on the ledger: each of them once."""

from collections.abc import Sequence

from sqlalchemy import Connection

from bandit_service.errors import StoreUnavailable
from bandit_service.ledger.booking import draws_of, settlements
from bandit_service.model import Decision, Settlement
from bandit_service.standing import Standing
from bandit_service.store import rows
from bandit_service.store.bulk import Bulk, replacing
from bandit_service.store.queries import Queries
from bandit_service.store.tables import decision

# A decision has one id for ever, so one that is stored already is the same one, sent again
# after a commit whose answer was lost: whether it was answered by then is all that may be news.
# Or it was made of its token, which knows less: then it is completed.
add_decisions = Bulk(
    decision,
    f"{replacing(decision.columns.keys(), ('id',))} "
    "WHERE excluded.degraded AND NOT decision.degraded "
    "OR decision.recovered AND NOT excluded.recovered",
)
recover_decisions = Bulk(decision, "ON CONFLICT (id) DO NOTHING")


def add_charged(
    connection: Connection, queries: Queries, decisions: Sequence[Decision]
) -> tuple[dict[int, tuple[int, int]], list[Settlement]]:
    """Stores decisions of which some have reserved something; see `add_decisions`.

    Returns what those draw that were not there yet, by lease. A row that was made of its token
    knew nothing of budgets: it draws now, and what was told of its calls meanwhile is settled.
    """
    found = queries.stored(connection, [one.id for one in decisions])
    fresh = [one for one in decisions if one.id not in found]
    if fresh:
        added = recover_decisions.insert(connection, rows.decision_columns(fresh))
        if added != len(fresh):
            raise StoreUnavailable  # a writer that was given up commits the same rows just now
    known = [one for one in decisions if one.id in found]
    if not known:
        return draws_of(fresh), []
    add_decisions.insert(connection, rows.decision_columns(known))
    completed = {one.id: one for one in known if found[one.id]}
    told = Standing((), ())
    for outcome in queries.outcomes(connection, completed) if completed else ():
        told.put(outcome)
    return draws_of((*fresh, *completed.values())), settlements(completed, (), told)
