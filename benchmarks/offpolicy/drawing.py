"""The pictures of docs/evaluation.md: when each estimator goes wrong, and what each interval says.

Drawn from logs of worlds whose truth is known.
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from bandit_service.evaluation.offpolicy import anytime, estimators, intervals
from bandit_service.evaluation.offpolicy.resampling import resampled
from bandit_service.evaluation.pictures.styling import (
    INK,
    LINE_COLOURS,
    MUTED,
    house_style,
    line_style,
)
from benchmarks.offpolicy import truth

Array = NDArray[np.float64]

SHOWN = ("dm", "ips", "snips", "dr")
SIZE = (9.0, 3.9)  # inches
DOTS_PER_INCH = 110
RESAMPLES = 500
LOOKS = 30


def draw(folder: Path, logs: int = 200, size: int = 1000) -> list[Path]:
    """Writes estimators.png, from so many logs of so many decisions, and intervals.png, from one of
    the bundled sample that is ten times as long."""
    folder.mkdir(parents=True, exist_ok=True)
    with house_style():
        pictures = {
            "estimators.png": _estimators(crooked(), logs, size),
            "intervals.png": _intervals(truth.bundled_world(), 10 * size),
        }
        for name, figure in pictures.items():
            with (folder / name).open("wb") as file:
                FigureCanvasAgg(figure).print_figure(
                    file, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None}
                )
    return [folder / name for name in pictures]


def crooked(queries: int = 2000, seed: int = 0) -> truth.World:
    """Which arm is good hangs on a product of two features, which no ridge regression sees. Logged
    by somebody who looks at one of them; the candidates know better and better."""
    rng = np.random.default_rng(seed)
    contexts = np.column_stack([rng.normal(size=(queries, 2)), np.ones(queries)])
    leaning = np.tanh(2.0 * contexts[:, 0] * contexts[:, 1])
    means = np.column_stack([0.5 + 0.4 * leaning, 0.5 - 0.4 * leaning, np.full(queries, 0.5)])
    quality = (rng.random(means.shape) < means).astype(np.float64)
    logger = 0.1 / 3 + 0.9 * _softmax(contexts[:, :1] * np.array([1.5, -1.5, 0.0]))
    good = _softmax(20.0 * means)
    shares = np.linspace(0.0, 1.0, 10)[:, None, None]
    return truth.World(contexts, quality, logger, (1.0 - shares) * logger + shares * good)


def _softmax(scores: Array) -> Array:
    made: Array = np.exp(scores - scores.max(axis=1, keepdims=True))
    made /= made.sum(axis=1, keepdims=True)
    return made


def _estimators(world: truth.World, logs: int, size: int) -> Figure:
    """Error of each estimator against what the log is worth, and against how long it is."""
    figure = Figure(figsize=SIZE, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    every = list(range(len(world.candidates)))
    missed, worth = _missed(world, every, logs, size)
    order = np.argsort(worth)
    lengths = [size // 10, size // 3, size, 3 * size, 10 * size]
    of_one = [_missed(world, every[-1:], max(2, logs // 3), each)[0] for each in lengths]
    by_length = np.array([_root(each)[0] for each in of_one])
    for at, name in enumerate(SHOWN):
        how = {"marker": "o", "markersize": 3, "label": name, **line_style(at)}
        left.plot(worth[order], _root(missed)[order, at], **how)
        right.plot(lengths, by_length[:, at], **how)
    left.set_title(f"Ten candidates, logs of {size:,}")
    left.set_xlabel("effective size")
    left.set_ylabel("root mean squared error")
    left.legend(frameon=False, fontsize=8.5)
    right.set_title("The farthest of them, longer logs")
    right.set_xlabel("decisions in the log")
    for axes in (left, right):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda points, _: f"{points:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        _decisions(axes)
    return figure


def _missed(world: truth.World, candidates: list[int], logs: int, size: int) -> tuple[Array, Array]:
    """Errors (logs, candidates, shown) and the mean effective size of each candidate's logs."""
    errors, effective = [], []
    for log in range(logs):
        rng = np.random.default_rng((1, size, log))
        seen = list(truth.evidence(world, rng.integers(0, len(world.quality), size), rng))
        some = [seen[at] for at in candidates]
        values = [{name: each.value for name, each in truth.terms(one)} for one in some]
        errors.append([[one[name] for name in SHOWN] for one in values])
        effective.append([one.effective_size for one in some])
    return np.array(errors) - world.truth[candidates][:, None], np.mean(effective, axis=0)


def _root(missed: Array) -> Array:
    root: Array = np.sqrt((missed**2).mean(axis=0))
    return root


def _intervals(world: truth.World, rows: int) -> Figure:
    """What each interval says of one candidate while its log grows."""
    rng = np.random.default_rng(2)
    candidate = len(world.candidates) // 2
    drawn = rng.integers(0, len(world.quality), rows)
    found = list(truth.evidence(world, drawn, rng))[candidate]
    most = float((world.candidates[candidate] / world.logger).max())
    at = np.unique(np.geomspace(50, rows, LOOKS).astype(np.intp))
    always = anytime.value_bounds(found.weights, found.outcomes, at)
    bernstein, bootstrap, value = [], [], []
    for count in at.tolist():
        part = found.rows(np.arange(rows) < count)
        lead = estimators.dr(part)
        value.append(lead.value)
        bernstein.append(intervals.bernstein_value(part.weights, part.outcomes, most))
        path = resampled([lead], 0, resamples=RESAMPLES)[:, 0]
        bootstrap.append(intervals.bias_corrected(path, lead.value))
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    for name, ends, place in (
        ("bernstein (ips): at any one length", np.array(bernstein).T, 1),
        ("anytime (ips): at every look at once", np.array([always.low, always.high]), 0),
        ("bootstrap (dr): once, for a long enough log", np.array(bootstrap).T, 2),
    ):
        axes.fill_between(at, *np.clip(ends, 0.0, 1.0), color=LINE_COLOURS[place], alpha=0.25,
                          linewidth=0, label=name)  # fmt: skip
    axes.plot(at, value, color=INK, linewidth=1.2, label="dr")
    axes.axhline(world.truth[candidate], color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)),
                 label="the truth")  # fmt: skip
    _decisions(axes)
    axes.set_xlabel("decisions so far")
    axes.set_ylabel("quality")
    axes.legend(frameon=False, fontsize=8.5, loc="lower right")
    axes.set_title("Intervals of 95 % while a log grows")
    return figure


def _decisions(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
