"""Logged traffic: what was decided, with which chances, and what came of it.

`log` is the record, `rows` what a file says before anybody checked it, `checking` the checks,
`traffic` a whole log in blocks, `opening` picks the reader; every other module reads one format.
"""

from bandit_service.evaluation.logs.log import MEASURES, Log
from bandit_service.evaluation.logs.traffic import Traffic

__all__ = ["MEASURES", "Log", "Traffic"]
