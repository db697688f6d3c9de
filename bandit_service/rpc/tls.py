"""The server's certificates, read from files, and read again once the files have changed."""

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

log = logging.getLogger(__name__)

Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. With `client_ca`, callers have to show a certificate that it signed."""

    cert: Path
    key: Path
    client_ca: Path | None = None

    def paths(self) -> tuple[Path, ...]:
        """All the files there are."""
        return (self.cert, self.key) + (() if self.client_ca is None else (self.client_ca,))


class BadCertificates(ValueError):
    """The files cannot be read, or do not belong together."""


def credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials that follow the files. Raises BadCertificates if they are bad from the start."""
    stamp = _stamp(files)
    return grpc.dynamic_ssl_server_credentials(
        _read(files),
        _Follower(files, stamp),  # type: ignore[arg-type] # the stub does not know that None may be returned
        require_client_authentication=files.client_ca is not None,
    )


class _Follower:
    """gRPC asks it before every handshake, on a thread of its own."""

    def __init__(self, files: TlsFiles, stamp: Stamp) -> None:
        self._files = files
        self._stamp = stamp

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        """New certificates, or None to keep those there are.

        Files are replaced one after the other, so a bad set is no reason to refuse anybody:
        the old one serves on until the next is good.
        """
        try:
            stamp = _stamp(self._files)
            if stamp == self._stamp:
                return None
            self._stamp = stamp
            renewed = _read(self._files)
        except BadCertificates as error:
            log.warning("the certificates have changed and are of no use yet: %s", error)
            return None
        log.info("the certificates have changed and are in use")
        return renewed


def _stamp(files: TlsFiles) -> Stamp:
    """What changes when a file does. Taken before it is read, so no change goes unnoticed."""
    try:
        stats = [path.stat() for path in files.paths()]
    except OSError as error:
        raise BadCertificates(f"{error.filename}: {error.strerror}") from error
    return tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats)


def _read(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    # gRPC only says at the first handshake, and to nobody, that a key is not its certificate's.
    try:
        checker = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        checker.load_cert_chain(files.cert, files.key, password=_refuse_to_ask)
        if files.client_ca is not None:
            checker.load_verify_locations(files.client_ca)
        read = [path.read_bytes() for path in files.paths()]
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        names = ", ".join(str(path) for path in files.paths())
        raise BadCertificates(f"{names}: {error}") from error
    authority = read[2] if files.client_ca is not None else None
    return grpc.ssl_server_certificate_configuration([(read[1], read[0])], authority)


def _refuse_to_ask() -> str:
    raise ValueError("the key has a password; give one without")
