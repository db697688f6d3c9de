"""What can be set about a server: one frozen record, read once, at the door."""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from bandit_service.errors import InvalidField
from bandit_service.model import PolicyConfig

PREFIX = "BANDIT_"
LOG_LEVELS = ("debug", "info", "warning", "error")

# Read by others: by the commands that call a server, and by `failpoints`.
NOT_OURS = frozenset({"server", "failpoints"})

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_MOST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Settings:
    """Each can be set as BANDIT_<NAME>, save for `policies`.

    listen         host:port, [IPv6]:port or unix:path; port 0 takes a free one
    database       sqlite:///path or postgresql://user:password@host/database
    tls_cert, tls_key  PEM files, both or neither
    tls_client_ca  PEM file: only clients with a certificate that it signed get in
    insecure       listen without TLS where other machines can reach it
    log_level      debug, info, warning or error
    policies       created at the start if their names are not there yet

    Raises InvalidField for what contradicts itself, or would serve in the clear unasked.
    """

    listen: str = "127.0.0.1:7070"
    database: str = "sqlite:///bandit.db"
    tls_cert: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    insecure: bool = False
    log_level: str = "info"
    policies: tuple[PolicyConfig, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise InvalidField("tls_cert, tls_key", "one goes with the other; only one is set")
        if self.tls_client_ca and not self.tls_cert:
            raise InvalidField("tls_client_ca", "needs tls_cert and tls_key too")
        if self.log_level not in LOG_LEVELS:
            raise InvalidField(
                "log_level", f"must be one of {', '.join(LOG_LEVELS)}, got {self.log_level!r}"
            )
        if not _is_local(self.listen) and not self.tls_cert and not self.insecure:
            raise InvalidField(
                "listen",
                f"other machines can reach {self.listen}: give tls_cert and tls_key, or insecure "
                "to serve without encryption",
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
    kinds = {bool: _flag, str: _text}
    return {each.name: kinds[each.type] for each in fields(Settings) if each.type in kinds}


def _text(variable: str, text: str) -> str:
    return text


def _flag(variable: str, text: str) -> bool:
    """Not bool(text): that takes "false" for true."""
    if text.lower() not in _YES + _NO:
        raise InvalidField(variable, f"must be true or false, got {text!r}")
    return text.lower() in _YES


def _is_local(listen: str) -> bool:
    """Whether only this machine can reach the address. Raises InvalidField if it is none."""
    if listen.startswith("unix:"):
        return True
    host, colon, port = listen.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) <= _MOST_PORT):
        raise InvalidField("listen", f"must be host:port or unix:path, got {listen!r}")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
