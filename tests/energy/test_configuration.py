"""The meter's YAML: what is read, and what is refused with which words."""

import pytest

from bandit_service.cli.meter import read_meter_config
from bandit_service.energy.carbon import grams_co2e
from bandit_service.energy.configuration import ArmDevices, MeterConfig
from bandit_service.errors import InvalidField


def read(tmp_path, text: str) -> MeterConfig:
    path = tmp_path / "meter.yaml"
    path.write_text(text)
    made: MeterConfig = read_meter_config(path)
    return made


def test_all_of_it_is_read(tmp_path) -> None:
    config = read(
        tmp_path,
        """
        arms:
          small: {devices: [GPU-a]}
          large: {devices: [GPU-a, GPU-b], joules_per_output_token: 0.4}
          remote: {joules_per_output_token: 0.07}
        idle_watts: {GPU-b: 61.5}
        tick_seconds: 1
        settle_seconds: 60
        """,
    )

    assert config.arms["large"] == ArmDevices(("GPU-a", "GPU-b"), 0.4)
    assert config.devices() == ["GPU-a", "GPU-b"]
    assert (config.idle_watts, config.tick_seconds, config.settle_seconds) == (
        {"GPU-b": 61.5},
        1,
        60,
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("arms: {}", "arms: name at least one"),
        ("idle_watts: {}", "missing required field arms"),
        ("arms: {m: {}}", r"arms\.m: give its devices, or joules_per_output_token"),
        ("arms: {m: {devices: [a, a]}}", r"arms\.m\.devices: name each device once"),
        ("arms: {m: {devices: ['']}}", r"arms\.m\.devices: name each device once"),
        ("arms: {m: {devices: a}}", "xpected array"),
        ("arms: {m: {device: [a]}}", "unknown field device"),
        ("arms: {m: {devices: [a]}}\ntick: 1", "unknown field tick"),
        ("arms: {m: {devices: [a]}}\ntick_seconds: 0.01", "tick_seconds: must be from 0.1 to 60"),
        ("arms: {m: {devices: [a]}}\nsettle_seconds: .inf", "settle_seconds: must be from"),
        ("arms: {m: {devices: [a]}}\nidle_watts: {a: -1}", r"idle_watts\.a: must be from 0"),
        ("arms: {m: {devices: [a]}}\nidle_watts: {b: 1}", r"idle_watts\.b: no arm runs on this"),
        ("arms: {m: {joules_per_output_token: -1}}", "joules_per_output_token: must be from 0"),
        ("arms: {m: {joules_per_output_token: .nan}}", "joules_per_output_token: must be from 0"),
        ("- arms", "must be a mapping"),
        ("arms: [", "is not YAML"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, text: str, words: str) -> None:
    with pytest.raises(InvalidField, match=words) as caught:
        read(tmp_path, text)
    assert "meter.yaml" in str(caught.value)


def test_a_kilowatt_hour_is_what_it_is() -> None:
    assert grams_co2e(3.6e6, 475.0) == 475.0
    assert grams_co2e(1.0, 0.0) == 0.0
    for nonsense in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InvalidField, match="grams_per_kwh"):
            grams_co2e(1.0, nonsense)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "--config"),
        (["--config", "nowhere.yaml"], 3, "nowhere.yaml: cannot be read"),
        (["--config", "{good}", "--log-level", "loud"], 2, "must be one of debug"),
        (["--config", "{good}", "--listen", "0.0.0.0:0"], 3, "can be reached from other machines"),
        (["--config", "{good}", "--listen", "here"], 3, "is no address"),
        (["--config", "{good}", "--server", "far.example:7070", "--tls-ca", "no.pem"], 3, "no.pem"),
    ],
)
def test_the_meter_refuses_what_cannot_work(run, stand_in, tmp_path, words, code, said) -> None:
    good = tmp_path / "meter.yaml"
    good.write_text("arms: {m: {joules_per_output_token: 0.1}}")
    result = run("meter", *(word.format(good=good) for word in words))

    assert result.exit_code == code
    assert said in " ".join(result.output.split())
