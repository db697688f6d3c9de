from typing import Any

import pytest

from bandit_service.errors import InvalidField
from bandit_service.settings import Settings


def test_nothing_set_is_a_server_for_this_machine_alone():
    settings = Settings.read({})

    assert settings == Settings(listen="127.0.0.1:7070", database="sqlite:///bandit.db")


def test_flags_go_before_the_environment_and_that_before_the_defaults():
    env = {"BANDIT_LISTEN": "127.0.0.1:1", "BANDIT_LOG_LEVEL": "error", "HOME": "/root"}

    settings = Settings.read(env, listen="127.0.0.1:2", database=None)

    assert (settings.listen, settings.log_level) == ("127.0.0.1:2", "error")
    assert settings.database == "sqlite:///bandit.db"


def test_numbers_are_numbers():
    env = {"BANDIT_CHECKPOINT_SECONDS": "90.5", "BANDIT_CHECKPOINT_EVENTS": "500"}

    settings = Settings.read(env)

    assert (settings.checkpoint_seconds, settings.checkpoint_events) == (90.5, 500)


@pytest.mark.parametrize(
    ("text", "expected"), [("true", True), ("1", True), ("FALSE", False), ("no", False)]
)
def test_false_is_not_true(text, expected):
    assert Settings.read({"BANDIT_INSECURE": text}).insecure is expected


def test_numbers_are_read():
    settings = Settings.read({"BANDIT_PARTITION_DAYS": "1", "BANDIT_KEEP_DECISIONS_DAYS": "90"})

    assert (settings.partition_days, settings.keep_decisions_days) == (1, 90)
    assert Settings().keep_decisions_days == Settings().keep_journal_days == 0


def test_the_address_of_the_client_is_no_setting_of_the_server_and_no_typo():
    assert Settings.read({"BANDIT_SERVER": "127.0.0.1:1"}) == Settings()


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"BANDIT_LISTN": "x"}, "BANDIT_LISTN: no such setting; there are BANDIT_LISTEN, "),
        ({"BANDIT_POLICIES": "x"}, "BANDIT_POLICIES: no such setting"),
        ({"BANDIT_INSECURE": "maybe"}, "BANDIT_INSECURE: must be true or false, got 'maybe'"),
        ({"BANDIT_PARTITION_DAYS": "week"}, "BANDIT_PARTITION_DAYS: must be a whole number"),
        ({"BANDIT_PARTITION_DAYS": "0"}, "partition_days: must be from 1 to 36500"),
        ({"BANDIT_KEEP_DECISIONS_DAYS": "-1"}, "keep_decisions_days: must be from 0, which is"),
        ({"BANDIT_KEEP_JOURNAL_DAYS": "36501"}, "keep_journal_days: must be from 0, which is"),
        ({"BANDIT_LOG_LEVEL": "loud"}, "log_level: must be one of debug, info, "),
        ({"BANDIT_LOG_FORMAT": "xml"}, "log_format: must be json or text, got 'xml'"),
        ({"BANDIT_METRICS_LISTEN": "7090"}, "metrics_listen: must be host:port"),
        ({"BANDIT_METRICS_LISTEN": "unix:/run/m"}, "metrics_listen: must be host:port"),
        ({"BANDIT_METRICS_LISTEN": "0.0.0.0:1"}, "metrics_listen: other machines can reach"),
        ({"BANDIT_CHECKPOINT_SECONDS": "soon"}, "BANDIT_CHECKPOINT_SECONDS: must be a number"),
        ({"BANDIT_CHECKPOINT_SECONDS": "0.5"}, "checkpoint_seconds: must be from 1 to 86400"),
        ({"BANDIT_CHECKPOINT_SECONDS": "nan"}, "checkpoint_seconds: must be from 1 to 86400"),
        ({"BANDIT_CHECKPOINT_EVENTS": "1.5"}, "BANDIT_CHECKPOINT_EVENTS: must be a whole number"),
        ({"BANDIT_CHECKPOINT_EVENTS": "0"}, "checkpoint_events: must be at least 1, not 0"),
        ({"BANDIT_LISTEN": "7070"}, "listen: must be host:port"),
        ({"BANDIT_LISTEN": "127.0.0.1:70700"}, "listen: must be host:port"),
        ({"BANDIT_LISTEN": "127.0.0.1:http"}, "listen: must be host:port"),
        ({"BANDIT_LISTEN": "0.0.0.0:7070"}, "listen: other machines can reach 0.0.0.0:7070"),
        ({"BANDIT_LISTEN": "[::]:7070"}, "listen: other machines"),
        ({"BANDIT_LISTEN": "bandit:7070"}, "listen: other machines"),
        ({"BANDIT_TLS_CERT": "a.pem"}, "tls_cert, tls_key: one goes with the other"),
        ({"BANDIT_TLS_CLIENT_CA": "a.pem"}, "tls_client_ca: needs tls_cert"),
    ],
)
def test_what_is_wrong_is_named(env, message):
    with pytest.raises(InvalidField) as caught:
        Settings.read(env)

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("listen", ["localhost:1", "127.0.0.2:1", "[::1]:1", "unix:/run/b.sock"])
def test_without_tls_a_server_is_for_this_machine(listen):
    assert Settings(listen=listen).listen == listen


def test_tls_of_the_service_is_none_of_its_metrics():
    served: dict[str, Any] = {"listen": "0.0.0.0:7070", "tls_cert": "a.pem", "tls_key": "a.key"}

    with pytest.raises(InvalidField, match=r"metrics_listen: .* not encrypted: give insecure"):
        Settings(metrics_listen="0.0.0.0:7090", **served)

    assert Settings(metrics_listen="127.0.0.1:7090", **served).metrics_listen == "127.0.0.1:7090"
    assert Settings(metrics_listen="0.0.0.0:7090", insecure=True, **served).insecure


def test_nothing_is_shown_and_the_terminal_decides_unless_set():
    assert (Settings().metrics_listen, Settings().log_format) == ("", "")


@pytest.mark.parametrize("how", [{"insecure": True}, {"tls_cert": "a.pem", "tls_key": "a.key"}])
def test_beyond_this_machine_takes_tls_or_a_word(how):
    assert Settings(listen="0.0.0.0:7070", **how).listen == "0.0.0.0:7070"
