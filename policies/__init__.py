"""Contextual-bandit policies in numpy and scipy: no clock, no I/O, no luck of their own.

A policy turns a state and contexts into the chance of each arm; see `policies.policy`.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from policies.abilities import LearnsChoices, WeighsJoules, WeighsPrices
from policies.alarmed_linucb import AlarmedLinUCB
from policies.beta_thompson import BetaThompson
from policies.contextual_ti_ucb import ContextualTIUCB
from policies.d_linucb import DLinUCB
from policies.epsilon_greedy import EpsilonGreedy
from policies.fgts_cdb import FGTSCDB
from policies.floor import with_floor
from policies.greenserv import GreenServ, GreenServEpsilon, GreenServThompson
from policies.hierarchical_thompson import HierarchicalThompson
from policies.linear_thompson import LinearThompson
from policies.linucb import LinUCB
from policies.metallm import MetaLLM
from policies.mixllm import MixLLM
from policies.paretobandit import ParetoBandit
from policies.parts import EVERYTHING, Parts
from policies.pilot import Pilot
from policies.policy import (
    CopiedSums,
    Estimates,
    LearnsPairs,
    Policy,
    Snapshot,
    State,
)
from policies.priors import MOST_COUNTED, ArmPrior, Priors, UnusablePrior
from policies.settings import coerced
from policies.squarecb import SquareCB
from policies.sw_linucb import SWLinUCB
from policies.ti_ucb import TIUCB
from policies.uniform import Uniform

__all__ = [
    "CATALOGUE",
    "MOST_COUNTED",
    "ArmPrior",
    "CopiedSums",
    "Estimates",
    "LearnsChoices",
    "LearnsPairs",
    "Parts",
    "Policy",
    "Priors",
    "Snapshot",
    "State",
    "UnusablePrior",
    "WeighsJoules",
    "WeighsPrices",
    "build",
    "known_settings",
    "takes_embeddings",
    "with_floor",
]

CATALOGUE: dict[str, type[Policy[Any]]] = {
    policy.name: policy
    for policy in (
        Uniform,
        EpsilonGreedy,
        LinUCB,
        LinearThompson,
        HierarchicalThompson,
        BetaThompson,
        SquareCB,
        FGTSCDB,
        TIUCB,
        ContextualTIUCB,
        DLinUCB,
        SWLinUCB,
        AlarmedLinUCB,
        Pilot,
        ParetoBandit,
        MetaLLM,
        GreenServ,
        GreenServThompson,
        GreenServEpsilon,
        MixLLM,
    )
}

NO_SETTINGS: Mapping[str, float] = {}


def known_settings(name: str) -> dict[str, type]:
    """The settings of a policy of the catalogue: name and type (float, int or bool)."""
    entries = fields(CATALOGUE[name])  # type: ignore[arg-type]
    kinds = {e.name: e.type for e in entries if e.name not in ("dim", "half_life")}
    return {key: kind for key, kind in kinds.items() if kind in (float, int, bool)}


def takes_embeddings(name: str) -> bool:
    """Whether a policy of the catalogue compares arms by embeddings of theirs."""
    return any(entry.name == "embeddings" for entry in fields(CATALOGUE[name]))  # type: ignore[arg-type]


def build(
    name: str,
    *,
    dim: int,
    half_life: float | None = None,
    settings: Mapping[str, float] = NO_SETTINGS,
    dearness: tuple[float, ...] = (),
    prices: tuple[float | None, ...] = (),
    joules: tuple[float | None, ...] = (),
    parts: Parts = EVERYTHING,
    priors: Priors | None = None,
    embeddings: tuple[tuple[float, ...], ...] = (),
) -> Policy[Any]:
    """A policy by its name. ValueError says what is known, or what was wanted and what came.

    What arms are known by goes to the policies that use it: `dearness`, one number an arm, see
    `HierarchicalThompson`; `prices`, in USD for a million tokens in and a million out; `joules`,
    declared a token. `parts` say what the features are, see `Parts`. A policy
    that starts from no prior refuses `priors`, and one that takes none `embeddings`, a vector
    (dim,) an arm; see `FGTSCDB`.

    >>> build("linucb", dim=8, settings={"width": 0.2}).name
    'linucb'
    """
    if name not in CATALOGUE:
        raise ValueError(f"unknown policy {name!r}; known: {', '.join(CATALOGUE)}")
    known = known_settings(name)
    for key in settings:
        if key not in known:
            listed = ", ".join(known) or "none"
            raise ValueError(f"unknown setting {key!r} of {name}; known: {listed}")
    made: dict[str, Any] = {key: coerced(known[key], key, value) for key, value in settings.items()}
    policy = CATALOGUE[name]
    taken = {entry.name for entry in fields(policy)}  # type: ignore[arg-type]
    about = {"dearness": dearness, "prices": prices, "joules": joules, "parts": parts}
    made |= {key: value for key, value in about.items() if key in taken}
    if priors is not None:
        if "priors" not in taken:
            raise UnusablePrior(f"{name} cannot start from a prior: leave it out")
        made["priors"] = priors
    if embeddings:
        if not takes_embeddings(name):
            raise ValueError(f"{name} takes no embeddings of arms: leave them out")
        made["embeddings"] = embeddings
    return policy(dim=dim, half_life=half_life, **made)  # type: ignore[call-arg]
