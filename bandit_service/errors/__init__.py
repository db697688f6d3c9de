"""Everything this service raises on purpose.

BanditError
├── BadInput            InvalidField, WrongContext, BadTable, BadLog, NoOverlap
├── NotFound            PolicyNotFound, DecisionNotFound, ArmNotFound, ArmNotMetered, CallNotFound,
│                       CheckpointNotFound, ChallengerNotFound
├── AlreadyExists       PolicyExists, ArmExists, IdReused
├── FailedPrecondition  NoEligibleArm, DefaultArmInUse, ClockFixed, DecisionExpired,
│                       AheadOfJournal, NoMeter, LeaseHeld, PrunedJournal, NotProven,
│                       ChallengerStopped
├── Stale               StaleEtag, LeaseLost
├── Denied              TokenRefused, TokenRequired
├── Exhausted           Overloaded, TooManyCalls, BudgetExhausted, Unpriced
├── Unavailable         StoreUnavailable, SilentDatabase, HeadLocked, NotCaughtUp, NotUnderstood,
│                       NotLogged, BufferFull, Draining
└── BadStore            NewerSchema, OlderSchema, ForeignDatabase, DamagedDatabase,
                        RefusedByDatabase, BrokenJournal, LostBeginning,
                        BadCheckpoint

The sentence is written in the class: what, which one, and what was wanted or kept.
The caller never builds one, and it names nothing inside (no table, no class).
"""

from bandit_service.errors.availability import (
    BudgetExhausted,
    BufferFull,
    Draining,
    HeadLocked,
    NotCaughtUp,
    NotLogged,
    NotUnderstood,
    Overloaded,
    SilentDatabase,
    StoreUnavailable,
    TooManyCalls,
    Unpriced,
)
from bandit_service.errors.databases import (
    BadCheckpoint,
    BrokenJournal,
    DamagedDatabase,
    ForeignDatabase,
    LostBeginning,
    NewerSchema,
    OlderSchema,
    RefusedByDatabase,
)
from bandit_service.errors.families import (
    AlreadyExists,
    BadInput,
    BadStore,
    BanditError,
    Denied,
    Exhausted,
    FailedPrecondition,
    NotFound,
    Stale,
    Unavailable,
)
from bandit_service.errors.preconditions import (
    AheadOfJournal,
    ChallengerStopped,
    ClockFixed,
    DecisionExpired,
    DefaultArmInUse,
    LeaseHeld,
    LeaseLost,
    NoEligibleArm,
    NoMeter,
    NotProven,
    PrunedJournal,
    StaleEtag,
    TokenRefused,
    TokenRequired,
)
from bandit_service.errors.requests import (
    ArmExists,
    ArmNotFound,
    ArmNotMetered,
    BadLog,
    BadTable,
    CallNotFound,
    ChallengerNotFound,
    CheckpointNotFound,
    DecisionNotFound,
    IdReused,
    InvalidField,
    NoOverlap,
    PolicyExists,
    PolicyNotFound,
    WrongContext,
)

__all__ = [
    "AheadOfJournal",
    "AlreadyExists",
    "ArmExists",
    "ArmNotFound",
    "ArmNotMetered",
    "BadCheckpoint",
    "BadInput",
    "BadLog",
    "BadStore",
    "BadTable",
    "BanditError",
    "BrokenJournal",
    "BudgetExhausted",
    "BufferFull",
    "CallNotFound",
    "ChallengerNotFound",
    "ChallengerStopped",
    "CheckpointNotFound",
    "ClockFixed",
    "DamagedDatabase",
    "DecisionExpired",
    "DecisionNotFound",
    "DefaultArmInUse",
    "Denied",
    "Draining",
    "Exhausted",
    "FailedPrecondition",
    "ForeignDatabase",
    "HeadLocked",
    "IdReused",
    "InvalidField",
    "LeaseHeld",
    "LeaseLost",
    "LostBeginning",
    "NewerSchema",
    "NoEligibleArm",
    "NoMeter",
    "NoOverlap",
    "NotCaughtUp",
    "NotFound",
    "NotLogged",
    "NotProven",
    "NotUnderstood",
    "OlderSchema",
    "Overloaded",
    "PolicyExists",
    "PolicyNotFound",
    "PrunedJournal",
    "RefusedByDatabase",
    "SilentDatabase",
    "Stale",
    "StaleEtag",
    "StoreUnavailable",
    "TokenRefused",
    "TokenRequired",
    "TooManyCalls",
    "Unavailable",
    "Unpriced",
    "WrongContext",
]
