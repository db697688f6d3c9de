"""Policies judged by a log in one call, for notebooks and scripts.

from bandit_service.evaluation import replay_study

result = replay_study("log.parquet", ["arm:large", "linucb:width=0.2"], gate="quality >= incumbent")
for candidate in result.candidates:
    print(candidate.label, candidate.differences[0].value, candidate.gate.passed)
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bandit_service.errors import InvalidField
from bandit_service.evaluation.contestants import Contestant, configured
from bandit_service.evaluation.logs.mapping import mapped
from bandit_service.evaluation.logs.opening import of_frame, open_log
from bandit_service.evaluation.logs.traffic import Traffic
from bandit_service.evaluation.offpolicy.comparison import compare
from bandit_service.evaluation.offpolicy.gathering import dim_of
from bandit_service.evaluation.offpolicy.results import Comparison
from bandit_service.evaluation.offpolicy.settings import Settings
from bandit_service.evaluation.offpolicy.targets import target
from bandit_service.model import PolicyConfig

if TYPE_CHECKING:
    import pandas as pd


def replay_study(
    data: "Traffic | pd.DataFrame | Path | str",
    policies: Sequence[str | PolicyConfig | Contestant] = ("uniform",),
    *,
    mapping: Mapping[str, Any] | None = None,
    loggers: Mapping[int, str] | None = None,
    lenient: bool = False,
    log_policy: str = "",
    **settings: Any,
) -> Comparison:
    """`compare` for notebooks and scripts; `offpolicy.report.write_html` makes a page of it.

    data        a frame with a row a decision, or the name of a file that `replay` reads
    policies    names as `replay --policy` takes them without a database, or configurations
    mapping     which column says what, as in the YAML of `replay --mapping`; a frame needs it
    loggers     by revision, of a log of several policies: see `loggers.Loggers`
    lenient     skip bad rows, which `result.refused` counts
    log_policy  take only decisions of this policy
    settings    those of `Settings`: gate, seed, level, resamples, training, robust, live, ...

    Raises BadLog, InvalidField, NoOverlap, BadGate.
    """
    how = None if mapping is None else mapped(dict(mapping), "mapping")
    if isinstance(data, Traffic):
        traffic = data
    elif isinstance(data, str | Path):
        traffic = open_log(Path(data), how=how, lenient=lenient, policy=log_policy)
    elif how is None:
        raise InvalidField("mapping", "a frame needs one, such as {'arm': 'model', ...}")
    else:
        traffic = of_frame(data, how, lenient=lenient, policy=log_policy)
    chosen, dim = Settings(**settings), dim_of(traffic)
    given = [configured(each) if isinstance(each, PolicyConfig) else each for each in policies]
    return compare(
        traffic,
        [target(each, traffic.arms, dim, chosen.seed) for each in given],
        chosen,
        {
            revision: target(each, traffic.arms, dim, chosen.seed)
            for revision, each in (loggers or {}).items()
        },
    )
