"""The meter's own port with TLS: who is let in, and which flags do not go together."""

from pathlib import Path

import grpc
import pytest
from typer.testing import CliRunner

from bandit_service.cli import app
from bandit_service.client import Choice, Meter
from tests.energy.processes import a_meter
from tests.energy.stand_in import StandIn
from tests.energy.test_meter_end_to_end import CONFIG
from tests.patience import PATIENCE
from tests.rpc.certificates import a_certificate, an_authority


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "meter.yaml"
    path.write_text(CONFIG)
    return str(path)


def test_only_who_shows_a_certificate_of_the_ca_can_announce_calls(
    stand_in: StandIn, libraries, config, tmp_path
) -> None:
    authority = an_authority(tmp_path, "ca")
    own = a_certificate(tmp_path, "meter", authority)
    guest = a_certificate(tmp_path, "application", authority)
    root = authority.cert.read_bytes()
    known = grpc.ssl_channel_credentials(root, guest.key.read_bytes(), guest.cert.read_bytes())
    flags = ["--listen-tls-cert", own.cert, "--listen-tls-key", own.key]
    flags += ["--listen-tls-client-ca", authority.cert]
    choice = Choice("d1", arm="small")
    with a_meter(stand_in, libraries.get("whole"), "--config", config, *map(str, flags)) as running:

        def is_let_in(credentials: grpc.ChannelCredentials | None = None) -> bool:
            talking = Meter(running.address, timeout=PATIENCE, credentials=credentials)
            with talking as meter, meter.call(choice) as call:
                return call.is_metered

        assert is_let_in(known)
        assert not is_let_in(grpc.ssl_channel_credentials(root))  # without its own
        assert not is_let_in()  # without TLS
        tls = ["--tls-ca", str(authority.cert), "--tls-cert", str(guest.cert)]
        tls += ["--tls-key", str(guest.key)]
        watched = CliRunner().invoke(
            app, ["energy", "watch", "--meter", running.address, "--count", "1", "--json", *tls]
        )
        assert watched.exit_code == 0, watched.output
        assert "GPU-a" in watched.output


@pytest.mark.parametrize(
    ("flags", "wrong"),
    [
        (("--listen-tls-cert", "x.pem"), "one goes with the other"),
        (("--listen-tls-key", "x.key"), "one goes with the other"),
        (("--listen-tls-client-ca", "x.pem"), "needs listen_tls_cert"),
        (("--listen-tls-cert", "x.pem", "--listen-tls-key", "x.key"), "cannot serve TLS"),
        (("--listen", "0.0.0.0:0"), "there is no TLS"),
    ],
)
def test_flags_that_cannot_work_are_refused_before_anything_listens(config, flags, wrong) -> None:
    found = CliRunner().invoke(app, ["meter", "--config", config, *flags])
    assert found.exit_code != 0
    assert wrong in found.output
