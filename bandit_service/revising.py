"""Policies created, changed and deleted, within a batch's transaction.

A refusal comes before any write.
"""

import secrets

from bandit_service import challenging, configuration
from bandit_service.batch import Batch, Known
from bandit_service.configuration import Change, check, restarts
from bandit_service.engine import FOLD_VERSION, etag
from bandit_service.errors import StaleEtag
from bandit_service.model import JournalEntry, PolicyConfig, RevisionEvent


def create(batch: Batch, config: PolicyConfig, author: str = "") -> int:
    """The id of the new policy. Raises PolicyExists."""
    checked = check(config, batch.shape_of)
    identity = batch.tx.create_policy(config.name, secrets.token_bytes(32), batch.now)
    batch.created.append(identity)
    first = RevisionEvent(1, 0, 0, checked, batch.now, FOLD_VERSION, author)
    batch.append(identity.id, [JournalEntry(1, first)])
    return identity.id


def revise(
    batch: Batch,
    policy_id: int,
    given_etag: str,
    change: Change,
    author: str = "",
    reason: str = "",
) -> bool:
    """Changes a policy's configuration; True if learning starts afresh, if only of an arm.

    Raises StaleEtag, or what the change raises.
    """
    known = batch.head(policy_id)
    assert known.terms is not None
    _check_etag(policy_id, known, given_etag)
    old, epoch = known.terms.config, known.terms.epoch
    started = known.terms.started_epoch
    new = configuration.with_versions(old, check(change(old), batch.shape_of), known.position + 1)
    afresh = restarts(old, new, batch.shape_of)
    if new != old:
        epoch += afresh or new.forgetting != old.forgetting
        started = epoch if afresh else started
        _append_revision(batch, policy_id, known, epoch, started, new, author, reason)
    return afresh or bool(configuration.replaced(old, new))


def promote(
    batch: Batch, policy_id: int, given_etag: str, challenger: str, author: str, reason: str
) -> None:
    """Puts a challenger, with what it has learned, in the incumbent's place.

    Raises StaleEtag, ChallengerNotFound.
    """
    known = batch.head(policy_id)
    assert known.terms is not None
    _check_etag(policy_id, known, given_etag)
    terms = known.terms
    new = check(challenging.promoted(terms.config, challenger), batch.shape_of)
    # Another epoch: what was learned before may be in the old incumbent's state alone, so what
    # revises it is recorded and not learned.
    epoch, started = terms.epoch + 1, terms.started_epoch
    _append_revision(
        batch, policy_id, known, epoch, started, new, author, reason, promoted=challenger
    )


def declare_fold(batch: Batch, policy_id: int) -> None:
    """A revision that changes nothing but what the journal says of who folds it."""
    known = batch.head(policy_id)
    assert known.terms is not None
    if known.fold_version < FOLD_VERSION:  # no other replica was quicker
        terms = known.terms
        _append_revision(batch, policy_id, known, terms.epoch, terms.started_epoch, terms.config)


def _append_revision(
    batch: Batch,
    policy_id: int,
    known: Known,
    epoch: int,
    started: int,
    config: PolicyConfig,
    author: str = "",
    reason: str = "",
    promoted: str = "",
) -> None:
    event = RevisionEvent(
        revision=known.revision + 1,
        epoch=epoch,
        started_epoch=started,
        config=config,
        time=batch.now,
        fold_version=FOLD_VERSION,
        author=author,
        reason=reason,
        promoted=promoted,
    )
    batch.append(policy_id, [JournalEntry(known.position + 1, event)])


def delete(batch: Batch, policy_id: int, given_etag: str) -> None:
    _check_etag(policy_id, batch.head(policy_id), given_etag)
    batch.tx.delete_policy(policy_id, batch.now)
    batch.deleted.append(policy_id)


def _check_etag(policy_id: int, known: Known, given: str) -> None:
    current = etag(policy_id, known.revision)
    if given and given != current:
        assert known.terms is not None
        raise StaleEtag(known.terms.config.name, given, current)
