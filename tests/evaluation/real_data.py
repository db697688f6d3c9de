"""The real data sets, which are not part of the repository. Tests on them skip where they are not.

BANDIT_DATA names the folder that holds them.
"""

import os
from pathlib import Path

import pytest


def real_data(name: str) -> Path:
    """The folder of one set, such as "routerbench"."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("BANDIT_DATA") or beside) / name
    if not folder.is_dir():
        pytest.skip(f"no data set {name!r} here; BANDIT_DATA tells where")
    return folder
