"""Options that commands share."""

import os
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Database = Annotated[
    str | None,
    typer.Option(help="sqlite:///path or postgresql://user@host/database. [default: ./bandit.db]"),
]


def database_url(given: str | None) -> str:
    """The one that is given, else the one that `serve` would take.

    Raises InvalidField for a misspelt BANDIT_*: it may have been meant to name the database.
    """
    from bandit_service.settings import Settings

    # Nothing listens here, so how a server would is not to be refused.
    return Settings.read(os.environ, database=given, insecure=True).database
