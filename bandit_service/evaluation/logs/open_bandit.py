"""The Open Bandit Dataset's logs (Saito et al. 2020): {campaign}_{policy}.csv[.gz].

Three places on a page are filled at once; each is taken as a decision of its own, and the place is
part of the context. Only the chosen item's chance is logged. Those of one instant are resampled
together.
"""

from pathlib import Path

from bandit_service.evaluation.logs.mapping import Mapped, Records
from bandit_service.evaluation.logs.tabular import csv_records

PLACES = ("1", "2", "3")
MAPPING = Mapped(
    arm="item_id",
    propensity="propensity_score",
    context=tuple(f"place {place}" for place in PLACES),
    categories=tuple(f"user_feature_{at}" for at in range(4)),
    quality="click",
    create_time="timestamp",
    session="timestamp",
    segment="position",
)
_THERE = Mapped(
    arm="item_id",
    propensity="propensity_score",
    categories=MAPPING.categories,
    quality="click",
    create_time="timestamp",
    segment="position",
)


def records(path: Path) -> Records:
    """Raises BadLog."""
    for line, record in csv_records(path, _THERE):
        if isinstance(record, str):
            yield line, record
            continue
        place = str(record["position"])
        if place in PLACES:
            places = {f"place {each}": float(each == place) for each in PLACES}
            yield line, {**record, **places}
        else:
            yield line, f"position is {place!r}, expected one of {', '.join(PLACES)}"
