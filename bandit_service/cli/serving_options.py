"""What can be said of a server on the command line. Each is called what its setting is called."""

from pathlib import Path
from typing import Annotated

import typer

Listen = Annotated[
    str | None, typer.Option(help="host:port or unix:path. [default: 127.0.0.1:7070]")
]
TlsCert = Annotated[Path | None, typer.Option(help="Certificate, a PEM file.")]
TlsKey = Annotated[Path | None, typer.Option(help="Its key, a PEM file.")]
TlsClientCa = Annotated[
    Path | None, typer.Option(help="Let in only clients with a certificate of this CA.")
]
Insecure = Annotated[
    bool | None, typer.Option("--insecure", help="Listen without TLS beyond this machine.")
]
Policy = Annotated[
    list[Path] | None,
    typer.Option(help="YAML of a policy to create if its name is not there. Repeatable."),
]
MetricsListen = Annotated[
    str | None, typer.Option(help="host:port of a page for Prometheus. [default: none]")
]
CheckpointSeconds = Annotated[
    float | None,
    typer.Option(help="Checkpoint what has changed after so long. [default: 60]"),
]
CheckpointEvents = Annotated[
    int | None,
    typer.Option(help="And at once after so many events. [default: 10000]"),
]
CheckpointKey = Annotated[
    Path | None,
    typer.Option(help="File of keys, one a line, that checkpoints are sealed with."),
]
LogLevel = Annotated[
    str | None, typer.Option(help="debug, info, warning or error. [default: info]")
]
LogFormat = Annotated[
    str | None, typer.Option(help="json or text. [default: text on a terminal, else json]")
]
Replica = Annotated[
    str | None, typer.Option(help="Its name among replicas. [default: host and process id]")
]
Degraded = Annotated[
    bool | None,
    typer.Option(
        "--degraded/--no-degraded",
        help="Route from memory while the database is away. [default: degraded]",
    ),
]
DegradedAfterSeconds = Annotated[
    float | None, typer.Option(help="How long to wait for it first. [default: 0.5]")
]
BufferedDecisions = Annotated[
    int | None, typer.Option(help="Most that are kept for it. [default: 10000]")
]
BufferedMegabytes = Annotated[
    int | None, typer.Option(help="Most memory that they take. [default: 64]")
]
TokenKeys = Annotated[
    Path | None, typer.Option(help="Keys that sign decision tokens. [default: no tokens]")
]
RequireToken = Annotated[
    bool | None, typer.Option("--require-token", help="Refuse feedback without a token.")
]
