"""Checkpoints, and the lease that says who may write them."""

from enum import StrEnum

import msgspec

from bandit_service.model.configuration import PolicyConfig


class Folded(msgspec.Struct, frozen=True, kw_only=True):
    """Where a policy's fold stands, all but the sums themselves.

    `fold_version` is that of the program that folded, `journal_fold_version` the one that the
    journal speaks of at `position`.
    """

    policy_id: int
    position: int
    revision: int
    epoch: int
    started_epoch: int
    started_position: int
    update_time: float
    fold_version: int
    journal_fold_version: int
    feature_version: str
    config: PolicyConfig


class CheckpointStatus(StrEnum):
    WRITING = "writing"  # or left half written
    USABLE = "usable"  # read back and found good
    WITHDRAWN = "withdrawn"  # by an operator: recovery starts from an older one


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A stored checkpoint, without its bytes: `parts` pieces of `size` bytes together."""

    id: int
    policy_id: int
    position: int
    fold_version: int
    size: int
    parts: int
    sha256: bytes
    mac: bytes
    epoch: int  # of the lease under which it was written
    create_time: float
    status: CheckpointStatus
    pinned: bool


class Lease(msgspec.Struct, frozen=True):
    """The right to do what only one may do at a time.

    It is worth what its `epoch` is: whoever takes the lease over raises that, and whatever is
    written under an older one is refused.
    """

    name: str
    holder: str
    epoch: int


class LeaseStanding(msgspec.Struct, frozen=True):
    """A lease as the database has it; `seconds_left` <= 0 where it has run out."""

    lease: Lease
    seconds_left: float
