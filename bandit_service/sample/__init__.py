"""A small real data set inside the package: a thousand queries and how three LLMs did on each.

It is for demonstrations and tests; where it comes from and what was changed: ATTRIBUTION.md.
"""

from bandit_service.sample.load import Sample, load_sample

__all__ = ["Sample", "load_sample"]
