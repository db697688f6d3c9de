"""How a server is put together."""

import gc

from bandit_service import app


def test_what_is_there_at_the_start_stays_out_of_full_collections():
    before = gc.get_freeze_count()
    try:
        app.keep_out_of_collections()

        assert gc.get_freeze_count() > before + 10_000  # the modules alone
        assert len(gc.get_objects()) < 10_000
    finally:
        gc.unfreeze()
