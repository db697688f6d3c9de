"""What can be set about a server: one frozen record, read once, at the door."""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from bandit_service.errors import InvalidField
from bandit_service.model import PolicyConfig

PREFIX = "BANDIT_"
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("", "json", "text")

# Read by others: by the commands that call a server or a meter, by `failpoints`, and by the
# benchmarks and tests that run on real data.
NOT_OURS = frozenset({"server", "meter", "failpoints", "data"})

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_MOST_PORT = 65_535
_MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Settings:
    """Each can be set as BANDIT_<NAME>, save for `policies`.

    listen         host:port, [IPv6]:port or unix:path; port 0 takes a free one
    database       sqlite:///path or postgresql://user:password@host/database
    tls_cert, tls_key  PEM files, both or neither
    tls_client_ca  PEM file: only clients with a certificate that it signed get in
    insecure       listen without TLS where other machines can reach it
    metrics_listen host:port of the page for Prometheus, in plain text; none by default
    log_level      debug, info, warning or error
    log_format     json or text; by default text on a terminal, json elsewhere
    partition_days  days of decisions in one table of Postgres
    keep_decisions_days  days after which decisions, and what came of them, may be dropped; 0: never
    keep_journal_days  the same for feedback that every kept checkpoint holds
    replica        what this process is called among others on the same database; empty: host
                   name and process id
    degraded       answer from memory while the database is away; false: UNAVAILABLE
    degraded_after_seconds   how long `Route` waits for a commit before it does
    buffered_decisions, buffered_megabytes   how many it keeps until they can be written
    checkpoint_seconds  a policy that has changed gets a checkpoint after so many seconds,
    checkpoint_events   or at once after so many events: at most so many are read at a start
    checkpoint_key  file of keys, one a line, that checkpoints are sealed with; see
                    `checkpoints.seal` for what that protects from
    token_keys     file of the keys that sign decision tokens; none are handed out without
    require_token  refuse feedback without the token of its decision
    policies       created at the start if their names are not there yet

    Raises InvalidField for what contradicts itself, or would serve in the clear unasked.
    """

    listen: str = "127.0.0.1:7070"
    database: str = "sqlite:///bandit.db"
    tls_cert: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    insecure: bool = False
    metrics_listen: str = ""
    log_level: str = "info"
    log_format: str = ""
    partition_days: int = 7
    keep_decisions_days: int = 0
    keep_journal_days: int = 0
    replica: str = ""
    degraded: bool = True
    degraded_after_seconds: float = 0.5
    buffered_decisions: int = 10_000
    buffered_megabytes: int = 64
    checkpoint_seconds: float = 60.0
    checkpoint_events: int = 10_000
    checkpoint_key: str = ""
    token_keys: str = ""
    require_token: bool = False
    policies: tuple[PolicyConfig, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise InvalidField("tls_cert, tls_key", "one goes with the other; only one is set")
        if self.tls_client_ca and not self.tls_cert:
            raise InvalidField("tls_client_ca", "needs tls_cert and tls_key too")
        if self.require_token and not self.token_keys:
            raise InvalidField("require_token", "needs token_keys: there are no tokens without")
        if self.log_level not in LOG_LEVELS:
            raise InvalidField(
                "log_level", f"must be one of {', '.join(LOG_LEVELS)}, got {self.log_level!r}"
            )
        if self.log_format not in LOG_FORMATS:
            raise InvalidField("log_format", f"must be json or text, got {self.log_format!r}")
        if self.metrics_listen:
            self._check_metrics_listen()
        if not 1 <= self.partition_days <= _MOST_DAYS:
            raise InvalidField("partition_days", f"must be from 1 to {_MOST_DAYS}")
        for name in ("keep_decisions_days", "keep_journal_days"):
            if not 0 <= getattr(self, name) <= _MOST_DAYS:
                raise InvalidField(name, f"must be from 0, which is for ever, to {_MOST_DAYS}")
        _check_range("degraded_after_seconds", self.degraded_after_seconds, 0.01, 60)
        _check_range("buffered_decisions", self.buffered_decisions, 0, 10_000_000)
        _check_range("buffered_megabytes", self.buffered_megabytes, 0, 100_000)
        if not 1.0 <= self.checkpoint_seconds <= 86_400.0:
            raise InvalidField(
                "checkpoint_seconds", f"must be from 1 to 86400, not {self.checkpoint_seconds:g}"
            )
        if self.checkpoint_events < 1:
            raise InvalidField(
                "checkpoint_events", f"must be at least 1, not {self.checkpoint_events}"
            )
        if not _is_local(self.listen) and not self.tls_cert and not self.insecure:
            raise InvalidField(
                "listen",
                f"other machines can reach {self.listen}: give tls_cert and tls_key, or insecure "
                "to serve without encryption",
            )

    def _check_metrics_listen(self) -> None:
        if self.metrics_listen.startswith("unix:"):
            raise InvalidField("metrics_listen", "must be host:port; Prometheus reads no socket")
        if not _is_local(self.metrics_listen, "metrics_listen") and not self.insecure:
            raise InvalidField(
                "metrics_listen",
                f"other machines can reach {self.metrics_listen}, and its page is not encrypted: "
                "give insecure to show it all the same",
            )

    @classmethod
    def read(cls, env: Mapping[str, str], **flags: Any) -> Self:
        """From BANDIT_* in `env`; flags that are not None go before.

        Raises InvalidField for an unknown name, which is a typo, and for a value of the wrong
        kind.
        """
        readers = _readers()
        given: dict[str, Any] = {}
        for variable in sorted(env):
            name = variable.removeprefix(PREFIX).lower()
            if not variable.startswith(PREFIX) or name in NOT_OURS:
                continue
            if name not in readers:
                known = ", ".join(PREFIX + known.upper() for known in readers)
                raise InvalidField(variable, f"no such setting; there are {known}")
            given[name] = readers[name](variable, env[variable])
        given.update((name, value) for name, value in flags.items() if value is not None)
        return cls(**given)


def _readers() -> dict[str, Callable[[str, str], Any]]:
    kinds = {bool: _flag, int: _whole, float: _number, str: _text}
    return {each.name: kinds[each.type] for each in fields(Settings) if each.type in kinds}


def _text(variable: str, text: str) -> str:
    return text


def _whole(variable: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidField(variable, f"must be a whole number, got {text!r}") from None


def _flag(variable: str, text: str) -> bool:
    """Not bool(text): that takes "false" for true."""
    if text.lower() not in _YES + _NO:
        raise InvalidField(variable, f"must be true or false, got {text!r}")
    return text.lower() in _YES


def _number(variable: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidField(variable, f"must be a number, got {text!r}") from None


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise InvalidField(name, f"must be from {least:g} to {most:,g}, got {value:g}")


def _is_local(listen: str, field: str = "listen") -> bool:
    """Whether only this machine can reach the address. Raises InvalidField if it is none."""
    if listen.startswith("unix:"):
        return True
    host, colon, port = listen.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) <= _MOST_PORT):
        raise InvalidField(field, f"must be host:port or unix:path, got {listen!r}")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
