"""Sliding-window LinUCB: only the newest observations count, and they count in full.

Source: Cheung, Simchi-Levi and Zhu (2019), "Learning to Optimize under Non-Stationarity", AISTATS,
arXiv:1810.03024, algorithm 1.

Departs from it: one regression an arm; the window is one of observations, of all arms together,
newest by the clock of their decisions, so late feedback takes the place that it would have had.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from numpy.typing import NDArray

from policies.linucb import LinUCB
from policies.settings import setting
from policies.window_state import WindowPrior, WindowState

MOST_NUMBERS = 4_000_000  # of the rows: 32 MB


@dataclass(frozen=True, kw_only=True)
class SWLinUCB(LinUCB):
    """LinUCB that has seen nothing but the last `window` observations.

    window  observations that are kept, of all arms together, in [10, 100000]

    and the settings of `LinUCB`; a half-life fades what is in the window besides.
    """

    name: ClassVar[str] = "sw_linucb"
    state_kind: ClassVar[str] = "window"

    window: int = setting(1000, least=10, most=100_000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window * self.dim > MOST_NUMBERS:
            raise ValueError(
                f"window must be at most {MOST_NUMBERS // self.dim} with {self.dim} features, "
                f"got {self.window}"
            )
        plain = {entry.name: getattr(self.prior, entry.name) for entry in fields(self.prior)}
        object.__setattr__(self, "prior", WindowPrior(**plain, window=self.window))

    def start(self, arms: int) -> WindowState:  # type: ignore[override]  # reads and learns alike
        assert isinstance(self.prior, WindowPrior)
        return WindowState.empty(self.prior, arms)

    def restore(self, canonical: Mapping[str, NDArray[Any]]) -> WindowState:  # type: ignore[override]
        assert isinstance(self.prior, WindowPrior)
        return WindowState.restored(self.prior, canonical)
