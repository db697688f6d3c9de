"""What policies may know of each query of a table: worked out once, shared by all runs."""

from dataclasses import dataclass

import numpy as np

from bandit_service.configuration import check_features
from bandit_service.errors import InvalidField
from bandit_service.evaluation.table import Array, OutcomeTable
from bandit_service.features import features_of
from bandit_service.model import Features, TextFeatures, VectorFeatures

NEW_POLICYS = Features(text=TextFeatures())  # what stands where nobody said otherwise

CONSTANT_ONLY = (
    "the set has neither prompts nor vectors, so every query looked alike to the policies"
)


@dataclass(frozen=True, slots=True, eq=False)
class Contexts:
    """The contexts of a table's n queries, as the service would make them; their tasks are labels.

    features  the configuration that they follow
    matrix    (n, d), the constant last
    note      what a reader of results should know; empty if there is nothing
    """

    features: Features
    matrix: Array
    note: str = ""


def contexts_of(table: OutcomeTable, wanted: Features | None = None) -> Contexts:
    """The table's own vectors; else its prompts, embedded; else nothing but the constant.

    Features that differ from a new policy's are taken as they are. Raises InvalidField where no
    policy has such, or the table has no such thing, WrongContext for a vector that no policy takes.
    """
    if wanted is not None and wanted != NEW_POLICYS:
        _check(table, wanted)
        return _made(table, wanted)
    if table.contexts is not None:
        return _made(table, Features(vector=VectorFeatures(dimension=table.contexts.shape[1])))
    if table.prompts is not None:
        return _made(table, NEW_POLICYS)
    # A feature that is always 0 teaches nothing: what is left is the constant.
    features = Features(vector=VectorFeatures(dimension=1))
    nothing = np.zeros((len(table), 1))
    return Contexts(features, features_of(features).from_vectors(nothing), CONSTANT_ONLY)


def _made(table: OutcomeTable, features: Features) -> Contexts:
    feature_map = features_of(features)
    if features.text is not None:
        assert table.prompts is not None
        labels = [(task,) for task in table.tasks]
        return Contexts(features, feature_map.from_texts(table.prompts, labels))
    assert table.contexts is not None
    return Contexts(features, feature_map.from_vectors(table.contexts))


def _check(table: OutcomeTable, wanted: Features) -> None:
    check_features(wanted)
    if wanted.text is not None:
        if table.prompts is None:
            raise InvalidField("features.text", f"{table.name} has no prompts")
    elif wanted.vector is not None:
        given = None if table.contexts is None else table.contexts.shape[1]
        if given != wanted.vector.dimension:
            has = "no vectors" if given is None else f"vectors of {given} numbers"
            raise InvalidField(
                "features.vector.dimension",
                f"is {wanted.vector.dimension}, but {table.name} has {has}",
            )
