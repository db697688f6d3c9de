"""Verified copies of what policies have learned, so that a start need not fold from zero.

A checkpoint is worth nothing that the journal is not: the state is the fold of the journal, and
checkpoint and tail give the same bits as all of it. So whatever is wrong with one, it is left
aside, and an older one or the whole journal takes its place.
"""

from bandit_service.checkpoints.keeper import Keeper
from bandit_service.checkpoints.operations import CHORES, Operations, Restored, Verdict
from bandit_service.checkpoints.packing import pack, unpack
from bandit_service.checkpoints.recovery import PAGE, Recovered, fold, recover, restored
from bandit_service.checkpoints.retention import dropped
from bandit_service.checkpoints.seal import BY_SECRET, Seal, read_keys

__all__ = [
    "BY_SECRET",
    "CHORES",
    "PAGE",
    "Keeper",
    "Operations",
    "Recovered",
    "Restored",
    "Seal",
    "Verdict",
    "dropped",
    "fold",
    "pack",
    "read_keys",
    "recover",
    "restored",
    "unpack",
]
