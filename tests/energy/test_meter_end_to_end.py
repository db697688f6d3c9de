"""A router, a meter beside the GPUs, an application: three processes and a driver that plays along.

The meter's process loads the compiled stand-in through LD_LIBRARY_PATH, as it would NVIDIA's.
"""

import json
import math
from pathlib import Path

import grpc
import pytest

from bandit_service.client import Choice, Client, Meter
from bandit_service.rpc.pb import energy_pb2, energy_pb2_grpc, routing_pb2, routing_pb2_grpc
from tests.energy.conftest import KINDS
from tests.energy.processes import a_meter
from tests.energy.stand_in import StandIn
from tests.energy.waiting import until
from tests.patience import PATIENCE
from tests.servers import a_server, policy_file

POLICY = """
name: chat
features: {vector: {dimension: 2}}
arms: [{name: small}, {name: large}, {name: remote}]
"""
CONFIG = """
arms:
  small: {devices: [GPU-a]}
  large: {devices: [GPU-a, GPU-b]}
idle_watts: {GPU-a: 3.0, GPU-b: 0.0}
tick_seconds: 0.1
"""
MEASURED = routing_pb2.ENERGY_SOURCE_MEASURED
ESTIMATED = routing_pb2.ENERGY_SOURCE_ESTIMATED


class Application:
    """Routes queries, and tells the meter of the calls it makes."""

    def __init__(self, router: str, meter: str) -> None:
        self.client = Client(router, policy="chat", timeout=PATIENCE, feedback_timeout=PATIENCE)
        self.meter = Meter(meter, timeout=PATIENCE)
        self._meter_channel = grpc.insecure_channel(meter)
        self._router_channel = grpc.insecure_channel(router)
        self._energy = energy_pb2_grpc.EnergyServiceStub(self._meter_channel)
        self._routing = routing_pb2_grpc.RoutingServiceStub(self._router_channel)

    def __enter__(self) -> "Application":
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self.client, self.meter, self._meter_channel, self._router_channel):
            each.close()

    def choose(self, arm: str) -> Choice:
        return self.client.route(vector=[0.6, 0.8], allowed_arms=[arm])

    def accounts(self) -> energy_pb2.GetEnergyResponse:
        asked = energy_pb2.GetEnergyRequest()
        found: energy_pb2.GetEnergyResponse = self._energy.GetEnergy(asked, timeout=PATIENCE)
        return found

    def seen(self, device: int) -> float:
        return self.accounts().devices[device].total_joules

    def usages(self, choice: Choice) -> list[routing_pb2.Outcome]:
        asked = routing_pb2.GetDecisionRequest(decision_id=choice.decision_id)
        found = self._routing.GetDecision(asked, timeout=PATIENCE).decision.outcomes
        return [outcome for outcome in found if outcome.kind == "usage"]

    def energy(self, choice: Choice) -> tuple[float, int] | None:
        """What the router knows: of all the outcomes, the latest."""
        usages = self.usages(choice)
        if not usages or not usages[-1].usage.HasField("energy_joules"):
            return None
        return usages[-1].usage.energy_joules, usages[-1].usage.energy_source


@pytest.fixture
def library(libraries: dict[str, Path]) -> Path | None:
    """None where there is no compiler, which conftest says at the end."""
    return libraries.get("whole")


@pytest.fixture
def paths(tmp_path: Path) -> tuple[str, str, str]:
    """Database URL, policy file, meter file."""
    config = tmp_path / "meter.yaml"
    config.write_text(CONFIG)
    return f"sqlite:///{tmp_path}/e2e.db", str(policy_file(tmp_path, POLICY)), str(config)


def test_joules_find_the_arm_that_took_them_and_all_sums_close(
    stand_in: StandIn, library, paths, run
) -> None:
    url, policy, config = paths
    with (
        a_server(url, "--policy", policy) as server,
        a_meter(stand_in, library, "--config", config, "--server", server.address) as meter,
        Application(server.address, meter.address) as app,
    ):
        until(lambda: all(not device.trouble for device in app.accounts().devices))

        alone = app.choose("small")
        with app.meter.call(alone, input_tokens=20) as call:
            stand_in.add_joules(100)
            call.first_token()
            until(lambda: app.seen(0) == 100)
            call.response = {"usage": {"completion_tokens": 40, "prompt_tokens": 20}}
        assert call.is_metered
        app.client.feedback(alone, score=1.0, output_tokens=40)  # the application's own word
        until(lambda: app.accounts().reports_sent == 1)  # its last window is over

        small, large = app.choose("small"), app.choose("large")
        with app.meter.call(small) as one, app.meter.call(large) as other:
            stand_in.add_joules(60, index=0)
            stand_in.add_joules(30, index=1)
            until(lambda: (app.seen(0), app.seen(1)) == (160, 30))
            one.tokens(10)
            other.tokens(50)

        remote = app.choose("remote")
        with app.meter.call(remote) as unknown:
            pass
        assert not unknown.is_metered

        until(lambda: app.accounts().reports_sent == 3)
        stand_in.add_joules(500, index=1)  # another program
        until(lambda: app.accounts().devices[1].unclaimed_joules > 0)
        accounts = app.accounts()
        found = {choice.arm: app.energy(choice) for choice in (small, large, remote)}
        first = app.energy(alone)
        usages = app.usages(alone)
        watched = run("energy", "watch", "--meter", meter.address, "--count", 1, "--json")
        assert "unclaimed" in run("energy", "watch", "--meter", meter.address, "--count", 1).output
        code, log = meter.terminate()

    assert (code, found["remote"]) == (0, None)
    assert "'remote' is not in this meter's configuration" not in log  # the caller hears of it

    # It was alone on its GPU: all that the counter moved by, less idle, and a measurement.
    gpu_a, gpu_b = accounts.devices
    assert first is not None
    assert found["small"] is not None
    assert found["large"] is not None
    assert first[1] == MEASURED
    assert 100 - 3.0 * PATIENCE < first[0] < 100
    assert usages[-1].usage.output_tokens == 40  # beside the application's own tokens
    # Both ran at once: shares of a total, which are estimates.
    assert (found["small"][1], found["large"][1]) == (ESTIMATED, ESTIMATED)
    assert found["large"][0] > 30  # all of the second GPU, and more tokens on the first

    for device in (gpu_a, gpu_b):
        parts = device.calls_joules, device.idle_joules, device.unclaimed_joules, device.open_joules
        assert math.isclose(math.fsum(parts), device.total_joules, abs_tol=1e-9)
    assert (gpu_a.total_joules, gpu_b.total_joules) == (160, 530)
    assert gpu_b.unclaimed_joules == 500
    reported = first[0] + found["small"][0] + found["large"][0]
    given = gpu_a.calls_joules + gpu_b.calls_joules
    assert math.isclose(reported, given, abs_tol=1e-9)
    assert math.isclose(sum(arm.metered_joules for arm in accounts.arms), given, abs_tol=1e-9)
    assert (accounts.reports_sent, accounts.reports_waiting, accounts.reports_lost) == (3, 0, 0)
    assert json.loads(watched.output)["devices"][1]["unclaimed_joules"] == 500

    report = json.loads(run("energy", "report", "--database", url, "--json").output)
    assert [(each["arm"], each["source"], each["calls"]) for each in report["lines"]] == [
        ("small", "measured", 1),
        ("small", "estimated", 1),
        ("large", "estimated", 1),
        ("remote", "unmeasured", 1),
    ]
    assert math.isclose(report["energy_joules"], given, abs_tol=1e-9)


def test_with_required_tokens_the_meter_shows_those_of_its_calls(
    stand_in: StandIn, library, paths, tmp_path: Path
) -> None:
    url, policy, config = paths
    keys = tmp_path / "keys"
    keys.touch(mode=0o600)
    keys.write_text(f"k1 {'c0ffee' * 12}\n")
    strict = ("--policy", policy, "--token-keys", str(keys), "--require-token")
    with (
        a_server(url, *strict) as server,
        a_meter(stand_in, library, "--config", config, "--server", server.address) as meter,
        Application(server.address, meter.address) as app,
    ):
        until(lambda: not app.accounts().devices[0].trouble)
        shown, hidden = app.choose("small"), app.choose("small")
        with app.meter.call(shown):
            stand_in.add_joules(70)
            until(lambda: app.seen(0) == 70)
        until(lambda: app.accounts().reports_sent == 1)
        with app.meter.call(Choice(hidden.decision_id, hidden.arm)):  # which has lost its token
            stand_in.add_joules(70)
            until(lambda: app.seen(0) == 140)
        until(lambda: app.accounts().reports_lost == 1)

        found = app.energy(shown)
        assert app.energy(hidden) is None
        _, log = meter.terminate()

    assert found is not None
    assert found[1] == MEASURED
    assert 70 - 3.0 * PATIENCE < found[0] < 70
    assert f"the energy of decision {hidden.decision_id} was not recorded: PERMISSION_DENIED" in log


def test_a_meter_that_vanishes_costs_measurements_and_nothing_else(
    stand_in: StandIn, library, paths
) -> None:
    _, _, config = paths
    choice = Choice(decision_id="d", arm="small")
    with (
        a_meter(stand_in, library, "--config", config) as process,
        Meter(process.address, timeout=PATIENCE) as meter,
    ):
        with meter.call(choice) as call:
            process.kill()
            call.tokens(10)
        assert call.is_metered  # it was, until the meter died

        with meter.call(choice) as call:
            call.tokens(10)
        assert not call.is_metered


def test_joules_wait_for_a_router_that_is_away(stand_in: StandIn, library, paths) -> None:
    url, policy, config = paths
    with a_server(url, "--policy", policy) as server:
        address = server.address
        with (
            a_meter(stand_in, library, "--config", config, "--server", address) as meter,
            Application(address, meter.address) as app,
        ):
            until(lambda: not app.accounts().devices[0].trouble)
            choice = app.choose("small")
            server.kill()
            with app.meter.call(choice):
                stand_in.add_joules(70)
                until(lambda: app.seen(0) == 70)
            until(lambda: app.accounts().reports_waiting == 1)

            with a_server(url, "--listen", address):
                until(lambda: app.accounts().reports_sent == 1)
                found = app.energy(choice)
            assert found is not None
            assert found[1] == MEASURED
            assert math.isclose(found[0], app.accounts().devices[0].calls_joules, abs_tol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_meter_starts_without_a_driver_and_says_what_is_missing(
    stand_in: StandIn, library, paths, kind: str
) -> None:
    _, _, config = paths
    library = library if kind == "c" else None
    stand_in.state.init_code = 9  # driver not loaded
    with a_meter(stand_in, library, "--config", config) as meter:
        with grpc.insecure_channel(meter.address) as channel:
            stub = energy_pb2_grpc.EnergyServiceStub(channel)

            def accounts() -> energy_pb2.GetEnergyResponse:
                asked = energy_pb2.GetEnergyRequest()
                found: energy_pb2.GetEnergyResponse = stub.GetEnergy(asked, timeout=PATIENCE)
                return found

            until(lambda: "load the NVIDIA driver" in accounts().devices[0].trouble)
            stand_in.state.init_code = 0
            until(lambda: accounts().devices[0].method == "energy_counter")
        code, log = meter.terminate()

    assert code == 0
    assert "GPU-a gives no reading: NVML says driver not loaded" in log
