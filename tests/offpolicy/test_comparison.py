"""Whole comparisons: against known truth, and what they refuse to say."""

import msgspec
import numpy as np
import pytest

from bandit_service.errors import BadLog, InvalidField, NoOverlap
from bandit_service.evaluation.bundled import bundled_table
from bandit_service.evaluation.contestants import named
from bandit_service.evaluation.logs import Traffic
from bandit_service.evaluation.logs.rows import batch_of
from bandit_service.evaluation.logs.simulated import SAMPLE_POLICY, simulated_rows
from bandit_service.evaluation.offpolicy.comparison import compare
from bandit_service.evaluation.offpolicy.gates import BadGate
from bandit_service.evaluation.offpolicy.gathering import dim_of, gather
from bandit_service.evaluation.offpolicy.report import as_html
from bandit_service.evaluation.offpolicy.settings import Settings
from bandit_service.evaluation.offpolicy.targets import OneArm, target
from tests.offpolicy.worlds import a_world, rows_of


class Given:
    """A policy whose chances were written down beforehand, in the order of the log."""

    learns = False

    def __init__(self, chances, label="given"):
        self.label, self.description, self._chances, self._at = label, "as given", chances, 0

    def fresh(self):
        return self

    def teach(self, block):
        raise AssertionError

    def probabilities(self, block):
        self._at += len(block)
        return self._chances[self._at - len(block) : self._at]


class Itself(Given):
    def __init__(self):
        super().__init__(np.empty((0, 0)), "itself")

    def probabilities(self, block):
        return block.probabilities


QUICK = Settings(resamples=300)


def traffic_of(rows, **settings):
    batch = batch_of(rows, range(1, len(rows) + 1))
    return Traffic("log", lambda: iter([batch]), **settings)


def value(candidate, estimator, measure="quality"):
    (found,) = [
        each
        for each in candidate.estimates
        if (each.measure, each.estimator) == (measure, estimator)
    ]
    return found.value


@pytest.fixture(scope="module")
def world():
    return a_world(count=3000, seed=1, floor=0.3)


@pytest.fixture(scope="module")
def traffic(world):
    return traffic_of(rows_of(world, 5, cost_usd=0.5))


@pytest.fixture(scope="module")
def sample():
    """A log of the bundled sample, and what every arm would have earned on each of its rows."""
    table = bundled_table()
    rows, served = simulated_rows(table, named(SAMPLE_POLICY), 3, rounds=2)
    return traffic_of(rows), table.quality[served], table.cost_usd[served]


def test_the_truth_lies_in_the_intervals(world, traffic):
    (found,) = compare(traffic, [Given(world.target)], QUICK).candidates

    for estimate in found.estimates:
        if estimate.measure != "quality" or estimate.estimator == "dm":
            continue
        for interval in estimate.intervals:
            assert interval.low <= world.truth <= interval.high, (estimate.estimator, interval)
    own = float((world.logger * world.means).sum(axis=1).mean())
    for interval in found.differences[0].intervals:
        assert interval.low <= world.truth - own <= interval.high, interval
    assert {each.method for each in found.differences[0].intervals} == {
        "bootstrap", "bernstein", "anytime",
    }  # fmt: skip


def test_a_policy_on_its_own_log_is_the_mean(traffic):
    result = compare(traffic, [Itself()], Settings(gate="quality >= incumbent", resamples=300))
    (found,), own = result.candidates, traffic.whole().quality.mean()

    assert found.support.effective_size == pytest.approx(3000)
    assert (found.support.largest_weight, found.support.mean_weight) == (1.0, 1.0)
    assert found.support.overlap == pytest.approx(1.0)
    for estimator in ("ips", "snips", "clipped_ips", "sub_gaussian"):
        assert value(found, estimator) == pytest.approx(own, abs=1e-12)
    assert result.incumbent[0].value == pytest.approx(own)


def test_a_row_is_predicted_by_what_came_before_it_only(world):
    """Outcomes changed in the second half leave the first half's expectations as they were."""
    rows = rows_of(world, 5)
    changed = [
        msgspec.structs.replace(row, quality=1.0 - row.quality) if at >= 1500 else row
        for at, row in enumerate(rows)
    ]
    expected = [
        gather(traffic_of(each), [Itself()], training=0, rows=150).shared.modelled["quality"]
        for each in (rows, changed)
    ]
    before, after = (column.whole() for column in expected)

    np.testing.assert_array_equal(before[:1650], after[:1650])
    assert not np.allclose(before[1650:], after[1650:])
    # Before there is a model: the arm's mean so far, else that of all, else nothing.
    for at in range(150):
        heard = [row.quality for row in rows[:at] if row.arm == rows[at].arm]
        heard = heard or [row.quality for row in rows[:at]] or [0.0]
        assert before[at] == pytest.approx(np.mean(heard), abs=1e-12)


def test_blocks_change_the_model_but_not_the_weights(world, traffic):
    first, second = (
        gather(traffic, [Given(world.target)], training=0, rows=rows).each[0] for rows in (70, 999)
    )

    np.testing.assert_array_equal(first.weights.whole(), second.weights.whole())


def test_equal_seeds_give_equal_results_and_reports():
    traffic = traffic_of(rows_of(a_world(count=300), 2))
    settings = Settings(live=True, robust=True, gate="quality >= 0.1", resamples=200)

    def run():
        targets = [target("linucb", traffic.arms, dim_of(traffic))]
        return compare(traffic, targets, settings)

    one, other = run(), run()
    assert msgspec.json.encode(one) == msgspec.json.encode(other)
    assert as_html(one) == as_html(other)


def test_one_arm_on_the_bundled_sample_comes_to_what_it_would_have_earned(sample):
    traffic, quality, cost = sample
    for slot, arm in enumerate(bundled_table().arm_names):
        (found,) = compare(traffic, [OneArm(arm, traffic.arms)], QUICK).candidates
        for measure, truth in (("quality", quality), ("cost_usd", cost)):
            (lead,) = [
                each
                for each in found.estimates
                if (each.measure, each.estimator) == (measure, "dr")
            ]
            low, high = lead.intervals[0].low, lead.intervals[0].high
            # Three arms and two measures: wider than 95 %, so that luck is no failure.
            slack = 0.6 * (high - low)
            assert low - slack <= truth[:, slot].mean() <= high + slack, (arm, measure)


def test_a_learning_policy_is_frozen_before_what_it_is_judged_by(sample):
    traffic, quality, _ = sample
    learner = target("linucb:floor=0.05", traffic.arms, dim_of(traffic))
    result = compare(traffic, [learner], Settings(training=0.5, resamples=300))
    (found,) = result.candidates

    assert (result.training, result.judged, found.ran) == (1000, 1000, "frozen")
    # The same policy, asked about the same rows: what it would really have earned there.
    (_, judged) = traffic.blocks(1000)
    by_arm = quality[1000:, [bundled_table().arm_names.index(arm) for arm in traffic.arms]]
    truth = float((learner.probabilities(judged) * by_arm).sum(axis=1).mean())
    interval = next(
        each.intervals[0]
        for each in found.estimates
        if (each.measure, each.estimator) == ("quality", "dr")
    )
    assert interval.low - 0.005 <= truth <= interval.high + 0.005


def test_a_policy_that_lives_through_the_log_learns_from_what_it_accepts_only(sample):
    traffic, _, _ = sample
    taught = []

    class Watched(Given):
        learns = True

        def teach(self, block):
            taught.append(float(block.times[0]))

        def probabilities(self, block):
            return np.tile([0.5, 0.5, 0.0], (len(block), 1))

    result = compare(traffic, [Watched(None)], Settings(live=True, resamples=300))
    (live,) = result.live
    # Training taught a block at a time; living, a row at a time.
    assert len(taught) >= live.accepted
    lived = taught[-live.accepted :]
    assert lived == sorted(lived)
    chances = traffic.whole()
    least = np.quantile(chances.propensities, 0.05, method="lower")
    expected = (least * np.array([0.5, 0.5, 0.0])).sum()  # sum over arms of p * c * pi / p
    error = np.sqrt(expected * (1 - expected) / live.decisions)
    assert abs(live.accepted / live.decisions - expected) < 4 * error


def test_rejection_sampling_meets_the_truth(world):
    """Uniform, though the log is not: the mean over accepted rows, over several logs."""
    truth = float(world.means.mean())
    values = []
    for seed in range(6):
        log = traffic_of(rows_of(world, seed))

        class Even(Given):
            learns = True

            def fresh(self):
                return self

            def teach(self, block):
                """Nothing."""

            def probabilities(self, block):
                return np.full((len(block), 4), 0.25)

        (live,) = compare(log, [Even(None)], Settings(live=True, resamples=100)).live
        values.append(live.estimates[0].value)

    assert np.mean(values) == pytest.approx(truth, abs=0.04)


def test_without_overlap_there_is_no_number(world):
    names = [f"arm-{slot}" for slot in range(4)]
    rows = [row for row in rows_of(world, 5) if row.arm != "arm-2"]
    traffic = traffic_of(
        [msgspec.structs.replace(row, probabilities=None, propensity=0.3) for row in rows]
        + [msgspec.structs.replace(rows[0], arm="arm-2", propensity=0.3, probabilities=None,
                                   quality=None)]
    )  # fmt: skip
    assert sorted(traffic.arms) == names
    with pytest.raises(NoOverlap, match="arm:arm-2: never chooses an arm that was drawn"):
        compare(traffic, [OneArm("arm-2", traffic.arms)], QUICK)


def test_little_overlap_is_said_aloud(world):
    """Half of the time the log could not have drawn arm 0, which is all the candidate wants."""
    rows = []
    for at, row in enumerate(rows_of(world, 5)):
        if at % 2 and row.arm != "arm-0":
            left = {arm: p for arm, p in row.probabilities.items() if arm != "arm-0"}
            total = sum(left.values())
            chances = {arm: p / total for arm, p in left.items()} | {"arm-0": 0.0}
            rows.append(
                msgspec.structs.replace(row, probabilities=chances, propensity=chances[row.arm])
            )
        else:
            rows.append(row)
    traffic = traffic_of(rows)
    (found,) = compare(traffic, [OneArm("arm-0", traffic.arms)], QUICK).candidates
    possible = sum(row.probabilities["arm-0"] > 0 for row in rows) / len(rows)

    assert found.support.overlap == pytest.approx(possible)
    assert any("could not have been drawn" in note for note in found.notes)


def test_propensities_that_do_not_fit_the_draws_are_noticed(world):
    honest = compare(traffic_of(rows_of(world, 5)), [Itself()], QUICK)
    assert not [note for note in honest.notes if "do not fit" in note]
    even = {f"arm-{slot}": 0.25 for slot in range(4)}
    lying = [
        msgspec.structs.replace(row, probabilities=even, propensity=0.25)
        for row in rows_of(world, 5)
    ]
    result = compare(traffic_of(lying), [Itself()], QUICK)
    assert [note for note in result.notes if "do not fit how often it was drawn" in note]


def test_without_propensities_only_the_direct_method_speaks(world):
    rows = [
        msgspec.structs.replace(row, propensity=None, probabilities=None)
        for row in rows_of(world, 5)
    ]
    silent = traffic_of(rows)
    target = Given(world.target[:, [int(arm[-1]) for arm in silent.arms]])
    result = compare(silent, [target], QUICK)
    (found,) = result.candidates

    assert result.propensity == "unknown"
    assert {each.estimator for each in found.estimates} == {"dm"}
    assert value(found, "dm") == pytest.approx(world.truth, abs=0.05)
    assert any("only the direct method" in note for note in result.notes)
    with pytest.raises(BadGate, match="the log has no propensities"):
        compare(silent, [target], Settings(gate="quality > 0"))
    assert "dm" in as_html(result)


def test_segments_are_estimates_of_their_own(world):
    rows = [
        msgspec.structs.replace(row, segment="odd" if at % 2 else "even")
        for at, row in enumerate(rows_of(world, 5))
    ]
    (found,) = compare(traffic_of(rows), [Given(world.target)], QUICK).candidates
    truth = (world.target * world.means).sum(axis=1)

    assert {each.segment: each.rows for each in found.segments} == {"odd": 1500, "even": 1500}
    for each in found.segments:
        assert each.interval is not None
        at = slice(1 if each.segment == "odd" else 0, None, 2)
        slack = 0.3 * (each.interval.high - each.interval.low)
        assert each.interval.low - slack <= truth[at].mean() <= each.interval.high + slack


def test_silence_is_left_out_and_said(world):
    rows = [
        msgspec.structs.replace(row, quality=None) if at % 3 == 0 else row
        for at, row in enumerate(rows_of(world, 5))
    ]
    result = compare(traffic_of(rows), [Itself()], QUICK)

    heard = [row.quality for row in rows if row.quality is not None]
    assert result.incumbent[0].rows == 2000
    assert value(result.candidates[0], "ips") == pytest.approx(np.mean(heard), abs=1e-12)
    assert any("quality is unknown for 1,000 of 3,000 decisions" in note for note in result.notes)


def test_gates_open_only_when_sure_and_with_enough_evidence(world, traffic):
    def gate(text, **settings):
        chosen = Settings(gate=text, resamples=300, **settings)
        return compare(traffic, [Given(world.target)], chosen).candidates[0].gate

    # Costs are all alike, which even a cautious bound knows after a few rows.
    assert gate("quality >= incumbent - 0.01 and cost_usd <= 1.01 * incumbent").passed
    far = gate("quality >= incumbent + 0.5")
    assert not far.passed
    assert far.checks[0].bound < far.checks[0].margin < 0
    scarce = gate("quality >= 0", least_effective_size=1e6)
    assert not scarce.passed
    assert "1,000,000 are asked for" in scarce.problem
    assert scarce.checks[0].passed
    with pytest.raises(BadGate, match="energy_joules is not known of any judged decision"):
        gate("energy_joules <= incumbent")


def test_a_bound_a_gate_rests_on_is_one_sided(world, traffic):
    """It misses its 5 % on one side, so it lies inside the two-sided interval."""
    settings = Settings(gate="quality >= incumbent", resamples=300)
    (found,) = compare(traffic, [Given(world.target)], settings).candidates
    assert found.gate is not None
    check, interval = found.gate.checks[0], found.differences[0].intervals[0]

    assert check.margin == pytest.approx(found.differences[0].value)
    assert interval.low < check.bound < check.margin


def test_what_makes_no_sense_is_refused(traffic, sample):
    with pytest.raises(InvalidField, match="there is no arm 'x'; known: arm-0"):
        target("arm:x", traffic.arms, 4)
    with pytest.raises(InvalidField, match="there is no 'magic'"):
        target("magic", traffic.arms, 4)
    with pytest.raises(InvalidField, match="training: must be between 0 and 1"):
        Settings(training=1.0)
    with pytest.raises(InvalidField, match="level"):
        Settings(level=1.0)
    with pytest.raises(InvalidField, match="resamples"):
        Settings(resamples=10)
    few = traffic_of(rows_of(a_world(count=10), 1))
    with pytest.raises(InvalidField, match="10 decisions are left to judge"):
        compare(few, [Itself()], QUICK)


def test_an_arm_that_could_not_serve_is_refused(world):
    rows = rows_of(world, 5)
    alone = {"arm-1": 1.0}
    rows[7] = msgspec.structs.replace(rows[7], arm="arm-1", probabilities=alone, propensity=1.0)
    traffic = traffic_of(rows)
    with pytest.raises(InvalidField, match=r"none of its arms could be chosen on 1 of"):
        compare(traffic, [OneArm("arm-0", traffic.arms)], QUICK)


def test_the_report_shows_names_as_text():
    rows = [
        msgspec.structs.replace(
            row,
            arm=f"<b>{row.arm}",
            probabilities={f"<b>{arm}": p for arm, p in row.probabilities.items()},
        )
        for row in rows_of(a_world(count=300), 5, cost_usd=0.5)
    ]
    traffic = traffic_of(rows)
    result = compare(traffic, [OneArm("<b>arm-0", traffic.arms)], QUICK)
    page = as_html(result)

    assert "<b>" not in page
    assert "&lt;b&gt;arm-0" in page
    for word in ("src=", "<script", "http://", "https://"):
        assert word not in page
    assert page.count("<figure") == 6
    assert result.digest in page


def test_a_log_without_quality_can_still_tell_costs(world):
    rows = [msgspec.structs.replace(row, quality=None, cost_usd=0.25) for row in rows_of(world, 5)]
    result = compare(traffic_of(rows), [Given(world.target)], QUICK)

    assert [each.measure for each in result.incumbent] == ["cost_usd"]
    assert value(result.candidates[0], "snips", "cost_usd") == pytest.approx(0.25)
    assert "no quality" in as_html(result)
    with pytest.raises(BadLog):
        traffic_of([])
