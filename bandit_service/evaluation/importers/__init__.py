"""Other people's formats -> OutcomeTable: one module a format, each with a function `read`."""

from pathlib import Path

from bandit_service.evaluation.importers import paretobandit, routerbench
from bandit_service.evaluation.table import OutcomeTable

# Those that need nothing but the file; `wide` needs a map too.
FORMATS = {"routerbench": routerbench.read, "paretobandit": paretobandit.read}


def read(name: str, source: Path) -> OutcomeTable:
    """`name` is one of FORMATS. Raises BadTable."""
    return FORMATS[name](source)
