"""The real data sets, which are not part of the repository. Tests on them skip where they are not.

BANDIT_DATA names the folder that holds them.
"""

import os
from pathlib import Path

import pytest


def real_data(name: str) -> Path:
    """The folder of one set, such as "routerbench"."""
    data = os.environ.get("BANDIT_DATA")
    folder = Path(data or "", name)
    if not (data and folder.is_dir()):
        pytest.skip(f"no data set {name!r} here; BANDIT_DATA tells where")
    return folder
