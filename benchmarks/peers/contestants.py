"""Who takes part, and with which settings."""

from dataclasses import dataclass, field
from typing import Any

TUNING_SEEDS = (100, 101)  # never among those of the results


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody else's learner.

    environment   the recipe it is installed by
    program       module of benchmarks.peers.programs
    fixed         what it is told in both settings
    knob, usual   its main parameter of exploration, and what that is when nobody sets it
    grid          values tried for the tuned setting; one is chosen for each set
    most_seeds    at most so many in the results, and `tuning_seeds` in the choice: the slow ones
                  get fewer, so that two sets of some thousand queries end in about an hour
    """

    name: str
    environment: str
    program: str
    knob: str
    usual: float
    grid: tuple[float, ...]
    fixed: dict[str, Any] = field(default_factory=dict)
    most_seeds: int | None = None
    tuning_seeds: tuple[int, ...] = TUNING_SEEDS

    def settings(self, width: float | None = None) -> dict[str, Any]:
        """As the program takes them; None: its defaults."""
        return dict(self.fixed) if width is None else {**self.fixed, self.knob: width}

    def label(self, width: float | None = None) -> str:
        return self.name if width is None else f"{self.name} {self.knob}={width:g}"


PEERS = (
    Peer(
        name="paretobandit",
        environment="paretobandit",
        program="paretobandit_peer",
        knob="alpha",
        usual=0.01,
        grid=(0.01, 0.05, 0.2, 0.5, 1.0),
    ),
    Peer(
        name="mabwiser LinUCB",
        environment="mabwiser",
        program="mabwiser_peer",
        fixed={"policy": "LinUCB"},
        knob="alpha",
        usual=1.0,
        grid=(0.05, 0.1, 0.2, 0.5, 1.0),
        most_seeds=5,
        tuning_seeds=TUNING_SEEDS[:1],
    ),
    Peer(
        name="mabwiser LinTS",
        environment="mabwiser",
        program="mabwiser_peer",
        fixed={"policy": "LinTS"},
        knob="alpha",
        usual=1.0,
        grid=(0.02, 0.05, 0.1, 0.2, 0.5),
        most_seeds=5,
        tuning_seeds=TUNING_SEEDS[:1],
    ),
    Peer(
        name="vw squarecb",
        environment="vowpalwabbit",
        program="vowpalwabbit_peer",
        fixed={"squarecb": True},
        knob="gamma_scale",
        usual=10.0,
        grid=(10.0, 30.0, 100.0, 300.0, 1000.0),
    ),
    Peer(
        name="vw epsilon",
        environment="vowpalwabbit",
        program="vowpalwabbit_peer",
        knob="epsilon",
        usual=0.05,
        grid=(0.0, 0.01, 0.02, 0.05, 0.1),
    ),
    Peer(
        name="river LinUCB",
        environment="river",
        program="river_peer",
        knob="alpha",
        usual=1.0,
        grid=(0.1, 0.3, 1.0, 3.0, 10.0),
        most_seeds=10,
    ),
)

DEFAULT = "default"
# Names that `simulate` takes. Only the default looks at list prices, which peers have no use for:
# without them it stands where they do.
OURS = (DEFAULT, f"{DEFAULT}:price_prior=0", "linucb", "squarecb", "beta_thompson")
