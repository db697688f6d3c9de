"""Against the truth of a simulated GPU: its power saturates, its token weights are hidden."""

import numpy as np
import pytest

from benchmarks.decoding import Gpu, simulate
from benchmarks.energy import DEVICE, closure, metered, naive, rows


@pytest.fixture(scope="module")
def busy():
    """Five to six requests at once, for two minutes."""
    return simulate(seconds=120.0, per_second=1.5, seed=7)


def test_the_simulation_itself_adds_up(busy) -> None:
    given = sum(request.joules for request in busy.requests)

    assert given + busy.idle_joules == pytest.approx(busy.total_joules, rel=1e-12)
    assert busy.counter[-1] / 1000 == pytest.approx(busy.total_joules, rel=1e-3)
    moves = np.flatnonzero(np.diff(busy.counter)) + 1
    assert set(np.diff(moves)) == {10}  # every 100 ms


@pytest.mark.parametrize("told", ["streamed", "at_end", "never"])
def test_half_of_the_requests_are_right_to_five_per_cent(busy, told) -> None:
    calls, meter = metered(busy, told)

    found = {call.call_id: call.energy_joules or 0.0 for call in calls}
    assert found.keys() == {request.name for request in busy.requests}
    errors = [abs(found[r.name] - r.joules) / r.joules for r in busy.requests]
    assert np.median(errors) <= 0.05
    assert closure(busy, meter) <= 1e-9
    assert sum(found.values()) == pytest.approx(sum(r.joules for r in busy.requests), rel=0.02)


def test_the_difference_of_two_readings_counts_the_board_for_every_request(busy) -> None:
    claimed = sum(naive(busy).values())

    assert claimed > 3 * (busy.total_joules - busy.idle_joules)


def test_two_models_on_one_gpu_are_told_apart() -> None:
    """After a minute for the weights to be found; a token of one is four times as dear."""
    run = simulate(seconds=240.0, per_second=1.5, seed=7, large_share=0.3)
    found = {call.call_id: call.energy_joules or 0.0 for call in metered(run, "streamed")[0]}
    settled = [request for request in run.requests if request.start > 80.0]

    assert {request.model for request in settled} == {"small", "large"}
    errors = [abs(found[r.name] - r.joules) / r.joules for r in settled]
    assert np.median(errors) <= 0.05


def test_idle_power_and_token_weights_are_found() -> None:
    run = simulate(seconds=240.0, per_second=0.4, seed=3, gpu=Gpu(most_watts=5000.0))
    _, meter = metered(run, "streamed")
    books = meter.books[DEVICE]

    (weights,) = books.weights.fitted.values()
    assert books.idle_power.watts == pytest.approx(70.0, rel=0.01)
    assert weights[1] == pytest.approx(0.35, rel=0.1)  # far from saturation it is what it is
    assert weights[0] / weights[1] == pytest.approx(0.02 / 0.35, rel=0.5)


def test_the_table_has_every_method_beside_the_naive_one() -> None:
    table = rows((1.0, 0.0), seeds=1, seconds=60.0)

    assert [row.method for row in table] == [
        "naive",
        "naive, less idle",
        "tokens never",
        "tokens at end",
        "tokens streamed",
    ]
    assert all(row.closure is None or row.closure <= 1e-9 for row in table)
    assert table[0].median_error > table[1].median_error > table[-1].median_error
