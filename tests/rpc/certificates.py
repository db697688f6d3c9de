"""Certificates for a few minutes, made with the openssl program."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM files."""

    cert: Path
    key: Path


def an_authority(folder: Path, name: str) -> Pair:
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    openssl(
        *("req", "-x509", *CURVE, "-days", "1", "-subj", f"/CN={name}"),
        *("-keyout", pair.key, "-out", pair.cert),
    )
    return pair


def a_certificate(folder: Path, name: str, authority: Pair) -> Pair:
    """Of 127.0.0.1, signed by the authority."""
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("req", *CURVE, "-subj", f"/CN={name}", "-keyout", pair.key, "-out", request)
    openssl(
        *("x509", "-req", "-in", request, "-days", "1", "-extfile", extensions),
        *("-CA", authority.cert, "-CAkey", authority.key, "-CAcreateserial", "-out", pair.cert),
    )
    return pair
