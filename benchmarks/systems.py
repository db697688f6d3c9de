"""Every preset on one page: what it is, where it departs from its source, and what it measures.

    python -m benchmarks.systems [--seeds N] [--resume FILE] [--write docs/systems.md]
    python -m benchmarks.systems --times-only [--write docs/systems.md]

Quality is that of the bundled sample without the queries that embeddings are made from, the
mean over shuffled orders from a cold start. Times are medians of the CPU time of the engine that
serves, with 64 features (of a system with features of its own, an embedding of 64 and these) and 16
arms, after 400 pieces of feedback. With --resume the qualities are kept in that file, and a command
that was interrupted goes on. --times-only measures times alone, as on a machine that was quiet at
last, and puts them into the table that the file has.
"""

import argparse
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace as replaced
from functools import partial
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from msgspec.structs import replace

from bandit_service import presets
from bandit_service.errors import BadInput
from bandit_service.evaluation.arrivals import Arrivals
from bandit_service.evaluation.bundled import bundled_table
from bandit_service.evaluation.contestants import entered, named, with_arms
from bandit_service.evaluation.embedding_arms import embedded_arms, labelled_rows
from bandit_service.evaluation.simulation import Simulation
from bandit_service.evaluation.streams import together
from bandit_service.evaluation.synthetic import linear
from bandit_service.evaluation.table import OutcomeTable
from bandit_service.model import Arm, Decision, JournalEntry, Query
from benchmarks import paired, sections
from benchmarks.learning.kept import Kept
from policies import LearnsPairs
from policies.policy import Array

UNIFORM = "uniform"
DIM, ARMS, TAUGHT, TIMED, LABELLED = 64, 16, 400, 300, 20


def sample() -> tuple[OutcomeTable, tuple[Arm, ...]]:
    """The bundled queries that no embedding is made from, and the arms with embeddings."""
    table = bundled_table()
    looked_at = np.concatenate(labelled_rows(table, LABELLED, seed=0)[1])
    left = np.setdiff1d(np.arange(len(table)), looked_at)
    top = max(1, len(table.arms) // 2)
    arms = embedded_arms(table, labelled=LABELLED, seed=0, cost_weight=0.0, top=top)
    return table.rows(left), arms


def quality(
    name: str, table: OutcomeTable, arms: tuple[Arm, ...], seeds: int, kept: Kept
) -> Array | None:
    """Of each seed, (seeds,); None where the sample lacks what the system needs."""
    try:
        (entry,) = entered(with_arms([named(name)], _needed(name, arms)), table)
    except BadInput:
        return None
    simulation = Simulation(table, entry)

    def of(seed: int) -> list[float]:
        run = simulation.run(Arrivals(), seed)
        return [float(together(table, [run]).average(table.quality).mean())]

    return np.concatenate(
        [kept.numbers(f"{name} {seed}", partial(of, seed)) for seed in range(seeds)]
    )


def _needed(name: str, arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
    """Embeddings are for systems that need them: others can do without."""
    if name in presets.names() and presets.Need.EMBEDDINGS in presets.found(name).needs:
        return arms
    return tuple(replace(arm, embedding=()) for arm in arms)


def microseconds(name: str) -> tuple[float, float]:
    """Of one decision, and of learning from it."""
    table = linear(queries=TAUGHT + TIMED, arms=ARMS, dim=DIM)
    rng = np.random.default_rng(0)
    arms = tuple(
        replace(
            arm,
            input_usd_per_million_tokens=1.0 + at,
            output_usd_per_million_tokens=2.0 + at,
            declared_joules_per_output_token=0.1,
            embedding=tuple(rng.normal(size=DIM).tolist()),
        )
        for at, arm in enumerate(table.arms)
    )
    if name in presets.names() and "features" in presets.found(name).policy:
        # It looks at texts: features of its own beside those of the embedding.
        table = replaced(table, prompts=tuple(f"Query {row} asks." for row in range(len(table))))
    (entry,) = entered(with_arms([named(name)], _needed(name, arms)), table)
    simulation = Simulation(table, entry)
    engine = simulation.opened(seed=0)
    query = Query(name, duel=isinstance(engine.policy, LearnsPairs))
    decided, learned = [], []
    for step in range(TAUGHT + TIMED):
        context, now = entry.contexts.matrix[step : step + 1], step + 1.0
        start = time.thread_time()
        (decision,) = engine.decide([query], context, now, [f"query-{step}"])
        between = time.thread_time()
        assert isinstance(decision, Decision)
        events = simulation.heard(decision, step, True, rng.random(), now)
        before = time.thread_time()
        for event in events:
            engine.apply(JournalEntry(engine.position + 1, event))
        if step >= TAUGHT:
            decided.append(between - start)
            if events:
                learned.append(time.thread_time() - before)
    return tuple(1e6 * float(np.median(times)) for times in (decided, learned))  # type: ignore[return-value]


def times(name: str) -> tuple[str, str]:
    decide, learn = microseconds(name)
    return f"{decide:.0f} us", f"{learn:.0f} us"


def with_times(document: str, timed: Mapping[str, tuple[str, str]]) -> str:
    """The document with the last two cells of each system's row made anew. Raises ValueError for a
    system that has no row there.

    >>> with_times("| `a` | fast | .5 | 9 us | 8 us |\\n", {"a": ("1 us", "2 us")})
    '| `a` | fast | .5 | 1 us | 2 us |\\n'
    """
    for name, (decide, learn) in timed.items():
        row = re.compile(rf"^(\| `{re.escape(name)}` \|.*\|)[^|\n]*\|[^|\n]*\|$", re.MULTILINE)
        document, found = row.subn(rf"\g<1> {decide} | {learn} |", document)
        if not found:
            raise ValueError(f"there is no row of {name}: run without --times-only first")
    return document


def markdown(seeds: int, kept: Kept, say: Callable[[str], None]) -> str:
    table, arms = sample()
    even = quality(UNIFORM, table, arms, seeds, kept)
    assert even is not None
    lines = [
        f"Quality over {seeds} shuffled orders of {len(table):,} queries of the bundled sample; "
        f"choosing evenly earns {even.mean():.4f}. A system that compares two answers is judged by "
        "the mean of both. Times are CPU times of a decision and of learning from it, with "
        f"{DIM} features and {ARMS} arms.",
        "",
        "| system | what you get | where it departs | quality | decide | learn |",
        "|---|---|---|---|---|---|",
    ]
    for name in presets.names():
        preset, earned = presets.found(name), quality(name, table, arms, seeds, kept)
        needs = f"needs {' and '.join(preset.needs)}"
        shown = needs if earned is None else f"{earned.mean():.4f} ± {paired.error(earned):.4f}"
        departs = "<br>".join((*preset.replaced, *preset.reconstructed)) or "nowhere"
        decide, learn = times(name)
        lines.append(f"| `{name}` | {preset.gives} | {departs} | {shown} | {decide} | {learn} |")
        say(f"{name}: {shown}, {decide} to decide, {learn} to learn")
    for name in presets.names():
        preset = presets.found(name)
        lines += ["", f"### {name}", "", f"{preset.title}. {preset.source}.", ""]
        lines += [
            f"- Decides {preset.decides.value.replace('_', ' ')}, from "
            f"{', '.join(preset.signals)}.",
            f"- {preset.computes}",
        ]
        lines += [f"- As published: {one}" for one in preset.faithful]
        if preset.needs:
            lines.append(f"- Every arm needs: {', '.join(preset.needs)}.")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--times-only", action="store_true")
    parser.add_argument("--resume", type=Path, help="keeps results, and starts from those there")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args(arguments)
    if options.times_only:
        timed = {}
        for name in presets.names():
            timed[name] = times(name)
            print(f"{name}: {timed[name][0]} to decide, {timed[name][1]} to learn", flush=True)
        if options.write:
            document = with_times(options.write.read_text(encoding="utf-8"), timed)
            options.write.write_text(document, encoding="utf-8")
        return
    text = markdown(options.seeds, Kept(options.resume), lambda line: print(line, flush=True))
    if options.write:
        sections.written(options.write, "systems", text)


if __name__ == "__main__":
    main()
