"""The promises, and the tests that prove them; paths are below tests/."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Guarantee:
    """`note` says plainly what is not proved."""

    name: str
    promise: str
    tests: tuple[str, ...] = ()
    note: str = ""


_F = "faults/"
_KILLS = _F + (
    "test_service_kills.py::test_no_kill_loses_an_acknowledged_answer_or_learns_one_twice"
)
_POSTGRES = _F + "test_postgres_kills.py::test_no_kill_of_postgres_loses_an_acknowledged_answer"
_CONTROL = _F + "test_postgres_kills.py::test_what_is_committed_asynchronously_is_lost"
_SYNC = _F + "test_sync_order.py::test_no_answer_leaves_before_the_sync_of_its_commit"
_DEATHS = _F + "test_failpoints.py::test_a_death_at_any_of_the_places_loses_nothing"
_FAILURES = _F + "test_failpoints.py::test_a_failure_at_any_of_the_places_loses_nothing"
_WRITERS = _F + (
    "test_several_writers.py::test_three_writers_leave_one_journal_without_gaps_or_doubles"
)
_PAUSES = _F + (
    "test_several_writers.py::test_a_process_that_is_stopped_with_the_lock_holds_nobody_up_for_long"
)
_SIMULATOR = _F + "test_simulator.py::test_whatever_happens_nothing_is_lost_or_learned_twice"
_AGREE = _F + "test_stores_agree.py::test_three_stores_answer_and_learn_alike"
_NETWORK = _F + "test_network.py::test_what_the_network_does_loses_nothing"
_DRAIN = _F + "test_service_kills.py::test_no_goodbye_loses_an_answer"
_KERNELS = _F + "test_kernels.py::test_the_state_is_the_same_on_every_kernel_of_blas"
_ANY_BYTES = "poison/test_any_message.py::test_any_bytes_are_refused_or_answered"
_ANY_MESSAGE = "poison/test_any_message.py::test_any_message_is_refused_or_answered"
_BAD_FEEDBACK = (
    "poison/test_refused_feedback.py::"
    "test_bad_feedback_is_refused_alone_and_in_a_batch_and_changes_nothing"
)
_LATE = (
    "service/test_feedback.py::test_late_feedback_still_teaches_a_retired_arm_but_no_removed_one"
)
_EQUAL = "service/test_replicas.py::test_at_equal_positions_states_are_equal_bit_for_bit"
_MIGRATIONS = "store/test_migrations.py::test_several_processes_may_start_on_a_new_database"
_POLITE = "test_end_to_end.py::test_it_ends_politely_when_told_to"

GUARANTEES = (
    Guarantee(
        "G1",
        "Acknowledged feedback is never lost: OK means committed and synced.",
        (_KILLS, _POSTGRES, _CONTROL, _SYNC, _DEATHS, _FAILURES, _NETWORK, _SIMULATOR),
    ),
    Guarantee(
        "G2",
        "It takes effect once. A repeat gets the first answer; another payload under the same id "
        "is refused.",
        (_KILLS, _WRITERS, _DEATHS, _AGREE, _SIMULATOR),
    ),
    Guarantee(
        "G3",
        "The state is a fold of the journal, bit for bit, on any CPU.",
        (_KILLS, _AGREE, _SIMULATOR, _KERNELS),
    ),
    Guarantee(
        "G4",
        "A decision that was answered is stored (group commit, the one mode there is).",
        (_KILLS, _POSTGRES, _SYNC, _DEATHS, _NETWORK),
    ),
    Guarantee(
        "G5",
        "A stored decision is complete: from the state at its position the same probabilities to "
        "1e-9 and the same arm exactly.",
        (_KILLS,),
    ),
    Guarantee(
        "G6",
        "A request id gets one decision, whoever is asked and however often.",
        (_KILLS, _WRITERS, _SIMULATOR),
    ),
    Guarantee(
        "G7",
        "With the database away every call is answered within the deadline, nothing is "
        "acknowledged that is not durable, and the service recovers by itself.",
        (_NETWORK, _POSTGRES),
        "That Route answers from memory, flagged, is not asserted here.",
    ),
    Guarantee("G8", "Budgets are never exceeded by more than is reported.", (), "Not proved here."),
    Guarantee(
        "G9",
        "Poison gets its status and changes nothing.",
        (_ANY_BYTES, _ANY_MESSAGE, _BAD_FEEDBACK, _AGREE),
    ),
    Guarantee(
        "G10",
        "Late feedback is applied, that of a removed arm only recorded.",
        (_LATE, _AGREE, _SIMULATOR),
        "There is no horizon here after which it is refused.",
    ),
    Guarantee(
        "G11",
        "A process that was stopped does no harm when it wakes.",
        (_PAUSES,),
        "Shown for the journal's lock; for the lease of chores it is not proved here.",
    ),
    Guarantee("G12", "A bad checkpoint is never loaded.", (), "Not proved here."),
    Guarantee(
        "G13",
        "Equal positions, equal states.",
        (_EQUAL, _WRITERS, _SIMULATOR),
        "How far a replica may be behind is not measured here.",
    ),
    Guarantee(
        "G14",
        "Migrations are safe.",
        (_MIGRATIONS,),
        "Under load it is not proved here.",
    ),
    Guarantee("G15", "SIGTERM drains: what was answered is stored.", (_DRAIN, _POLITE)),
    Guarantee(
        "G16",
        "Memory is bounded while the database is away, and while it serves.",
        (_NETWORK, _F + "test_long_run.py::test_memory_stays_where_it_is"),
    ),
    Guarantee(
        "G17",
        "Clocks that jump by hours change no order: it comes from the journal.",
        (_SIMULATOR, _AGREE),
    ),
)
