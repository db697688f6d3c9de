"""Gates: what they mean, and how they are refused."""

import pytest

from bandit_service.evaluation.offpolicy.gates import BadGate, parsed


def worth(text, **values):
    """The margins of the conditions, at these values of (whose, measure)."""
    known = {tuple(name.split("__")): value for name, value in values.items()}
    return [
        condition.margin.constant
        + sum(weight * known[who] for who, weight in condition.margin.weights.items())
        for condition in parsed(text)
    ]


def test_the_usual_gate():
    found = worth(
        "quality >= incumbent - 0.01 and cost_usd <= 0.8 * incumbent",
        candidate__quality=0.9,
        incumbent__quality=0.95,
        candidate__cost_usd=2.0,
        incumbent__cost_usd=3.0,
    )

    assert found == pytest.approx([0.9 - 0.95 + 0.01, 0.8 * 3.0 - 2.0])


@pytest.mark.parametrize(
    ("text", "margin"),
    [
        ("quality > 0.5", 0.2),
        ("0.5 < quality", 0.2),
        ("-quality <= -(0.5 + 0.1)", 0.1),
        ("quality >= 2 * (incumbent - 0.25) / 4", 0.7 - 0.15),
        ("quality - incumbent.quality >= 1e-1", 0.7 - 0.55 - 0.1),
        ("quality * 2 >= incumbent.quality + .5 * 2", 1.4 - 1.55),
        ("quality >= incumbent.quality - 0.002 * incumbent.cost_usd", 0.7 - 0.55 + 0.006),
    ],
)
def test_arithmetic(text, margin):
    found = worth(text, candidate__quality=0.7, incumbent__quality=0.55, incumbent__cost_usd=3.0)

    assert found == [pytest.approx(margin)]


def test_conditions_keep_their_text_and_whether_they_are_strict():
    first, second = parsed("quality >= incumbent and latency_seconds < 2")

    assert (first.text, first.strict) == ("quality >= incumbent", False)
    assert (second.text, second.strict) == ("latency_seconds < 2", True)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected a number, a measure or `incumbent`, came the end, at character 1"),
        ("quality", "expected one of >=, <=, >, <, came the end, at character 8"),
        ("quality >=", "came the end, at character 11"),
        ("quality >= 1 cost_usd", "expected `and`, or the end, came 'cost_usd', at character 14"),
        ("quality >= 1 and", "came the end, at character 17"),
        ("quality = 1", "'=' means nothing here, at character 9"),
        ("reward >= 1", "there is no 'reward'; known: quality, cost_usd"),
        ("incumbent.reward <= quality", "there is no 'incumbent.reward'"),
        ("logger.quality >= 1", "there is no 'logger.quality'"),
        ("quality * cost_usd >= 1", "multiplies two measures.*at character 9"),
        ("1 / quality >= 1", "divides by what is not a number"),
        ("quality / 0 >= 1", "or is 0, at character 9"),
        ("1 >= 0", "names no measure"),
        ("incumbent >= 1", "names no measure"),
        ("quality + cost_usd >= incumbent", "say of what: incumbent.cost_usd"),
        ("(quality >= 1", r"expected `\)`, came '>='"),
        ("quality >= 1 or cost_usd <= 2", "came 'or'"),
        ("__import__('os') >= 1", "means nothing here|there is no '__import__'"),
        ("-" * 200 + "quality >= 1", "nested too deeply"),
    ],
)
def test_a_gate_that_cannot_be_read_says_where(text, complaint):
    with pytest.raises(BadGate, match=complaint):
        parsed(text)
