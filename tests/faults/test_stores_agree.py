"""A service on three stores, in whatever order things come: they answer alike and learn alike."""

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from bandit_service.store import open_store
from tests.faults.effort import SEED, effort, write_counts
from tests.faults.services_machine import Services, counted

EXAMPLES = effort(20, 500)
STEPS = effort(25, 40)


def test_three_stores_answer_and_learn_alike(tmp_path, postgres_databases, caplog):
    caplog.set_level("CRITICAL", logger="bandit_service")  # poison is told with a traceback
    urls = f"sqlite:///{tmp_path}/test.db", postgres_databases("migrated")
    stores = tuple(open_store(url) for url in urls)

    @seed(SEED)
    class OnThese(Services):
        pass

    OnThese.urls, OnThese.stores = urls, stores  # type: ignore[assignment]
    try:
        run_state_machine_as_test(
            OnThese,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                # To find the shortest way to a failure takes minutes.
                phases=effort((Phase.generate,), (Phase.generate, Phase.shrink)),
                deadline=None,
                database=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        for store in stores:
            store.close()

    assert all(counted.values()), counted
    write_counts(
        "test_stores_agree::test_three_stores_answer_and_learn_alike",
        examples=EXAMPLES,
        lost=0,
        twice=0,
        **counted,
    )
