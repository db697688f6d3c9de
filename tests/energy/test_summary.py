"""Sums for people, the picture, and the command that prints them."""

import json

import pytest

from bandit_service.energy.picture import joules_by_arm
from bandit_service.energy.summary import summary
from bandit_service.model import EnergySource, JournalEntry, Kind, RecordedEnergy, Usage
from bandit_service.store import open_store
from tests.builders import NOW, a_config, a_decision, a_revision
from tests.store.records import an_outcome

MEASURED, _, ESTIMATED = EnergySource
RECORDED = [
    RecordedEnergy("chat", "small", MEASURED, 4, 3_600.0, 100, 1_800.0),
    RecordedEnergy("chat", "small", None, 2),
    RecordedEnergy("chat", "large", ESTIMATED, 1, 7_200.0),
]


def test_what_is_known_is_summed_and_the_rest_is_counted() -> None:
    made = summary(RECORDED, grams_per_kwh=500.0)

    assert (made.calls, made.unmeasured_calls, made.energy_joules) == (7, 2, 10_800.0)
    assert made.grams_co2e == pytest.approx(1.5)  # 3 Wh at 0.5 g
    small, unknown, large = made.lines
    assert (small.joules_per_call, small.joules_per_output_token) == (900.0, 18.0)
    assert (unknown.source, unknown.energy_joules, unknown.grams_co2e) == ("unmeasured", None, None)
    assert large.joules_per_output_token is None
    assert large.grams_co2e == pytest.approx(1.0)


def test_of_nothing_nothing_is_known() -> None:
    made = summary([RECORDED[1]], 500.0)

    assert (made.energy_joules, made.grams_co2e) == (None, None)
    assert summary(RECORDED).grams_co2e is None


def test_the_picture_is_a_png_and_always_the_same() -> None:
    first = joules_by_arm(summary(RECORDED))

    assert first.startswith(b"\x89PNG\r\n")
    assert first == joules_by_arm(summary(RECORDED))
    assert first != joules_by_arm(summary(RECORDED[:2]))
    assert joules_by_arm(summary([RECORDED[1]])).startswith(b"\x89PNG")


@pytest.fixture
def database(tmp_path) -> str:
    """One policy, three decisions of two arms, one of them metered."""
    url = f"sqlite:///{tmp_path}/test.db"
    store = open_store(url)
    with store.write() as transaction:
        policy = transaction.create_policy("chat", b"s" * 32, NOW)
        transaction.lock_head(policy.id)
        revision = JournalEntry(1, a_revision(a_config()))
        usage = Usage(energy_joules=7200.0, energy_source=MEASURED, output_tokens=100)
        outcome = an_outcome(decision_id="d0", kind=Kind.USAGE, usage=usage)
        transaction.append(policy.id, [revision], [], [outcome], [])
        transaction.add_decisions(
            [
                a_decision(id=f"d{n}", arm=arm, create_time=NOW + 86_400 * n)
                for n, arm in enumerate((0, 0, 1))
            ]
        )
    store.close()
    return url


def test_the_report_prints_a_table(run, database) -> None:
    result = run("energy", "report", "--database", database)

    assert result.exit_code == 0
    assert "7200" in result.output
    assert "unmeasured" in result.output
    assert "2 calls are unmeasured, and in no sum" in result.output
    assert "CO2e" not in result.output  # nobody named a grid


def test_the_report_as_json_with_carbon_and_picture(run, database, tmp_path) -> None:
    png = tmp_path / "energy.png"
    result = run("energy", "report", "--database", database, "--grid", 400, "--png", png, "--json")

    made = json.loads(result.output)
    assert (made["calls"], made["unmeasured_calls"], made["energy_joules"]) == (3, 2, 7200.0)
    assert made["grams_co2e"] == pytest.approx(0.8)
    assert [(line["arm"], line["source"]) for line in made["lines"]] == [
        ("small", "measured"),
        ("small", "unmeasured"),
        ("medium", "unmeasured"),
    ]
    assert made["lines"][1]["energy_joules"] is None
    assert png.read_bytes().startswith(b"\x89PNG")


def test_the_report_of_a_time(run, database) -> None:
    result = run(
        "energy", "report", "--database", database, "--since", "2023-11-15T12:00:00", "--json"
    )

    assert json.loads(result.output)["calls"] == 2  # NOW is 2023-11-14 22:13:20 UTC


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--since", "yesterday"], 3, "neither seconds nor ISO 8601"),
        (["--grid", "-1"], 2, "greater than or equal"),
        (["--grid", "inf"], 3, "grams_per_kwh"),
        (["--png", "/nowhere/at/all.png"], 3, "cannot be written"),
        (["--policy", "other", "--png", "x.png"], 3, "no decisions to draw"),
    ],
)
def test_what_makes_no_sense_is_refused(run, database, words, code, said) -> None:
    result = run("energy", "report", "--database", database, *words)

    assert result.exit_code == code
    assert said in result.output


def test_the_report_of_a_database_that_is_not_there(run, tmp_path) -> None:
    result = run("energy", "report", "--database", f"sqlite:///{tmp_path}/none.db")

    assert result.exit_code == 7
    assert "none.db cannot be read as a database: there is no such file" in result.output
    assert not (tmp_path / "none.db").exists()


def test_devices_lists_what_there_is_and_how_it_is_read(run, driver) -> None:
    driver[1].mig = 1
    result = run("energy", "devices", "--json")

    found = json.loads(result.output)
    assert [(d["device"], d["method"], d["source"]) for d in found[:2]] == [
        ("GPU-a", "energy_counter", "measured"),
        ("GPU-b", "energy_counter", "measured"),
    ]
    assert "MIG" in run("energy", "devices").output


def test_watch_looks_as_often_as_it_is_told(run, driver) -> None:
    result = run("energy", "watch", "--count", 2, "--seconds", 0.2, "--json")

    looks = [json.loads(line) for line in result.output.splitlines()]
    assert len(looks) == 2
    assert [d["device"] for d in looks[1]["devices"]] == ["GPU-a", "GPU-b"]
    assert "GPU-a" in run("energy", "watch", "--count", 1, "--seconds", 0.2).output


def test_watch_says_why_there_is_nothing_to_watch(run, driver) -> None:
    driver.state.init_code = 9

    result = run("energy", "watch", "--count", 1)

    assert result.exit_code == 7
    assert "load the NVIDIA driver" in result.output
