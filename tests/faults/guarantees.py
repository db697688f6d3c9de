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
_DEGRADED = "service/test_degraded.py::"
_FROM_MEMORY = _DEGRADED + (
    "test_an_outage_is_answered_from_memory_and_written_after_it_once_and_in_order"
)
_NEVER_EARLY = _DEGRADED + "test_feedback_is_never_acknowledged_without_being_durable"
_REPEATED = (
    _DEGRADED + "test_a_repeated_request_gets_its_first_answer_before_and_after_it_is_written"
)
_BEFORE = _DEGRADED + ("test_a_request_that_was_answered_before_an_outage_gets_that_answer_in_it")
_BOTH_KEPT = _DEGRADED + "test_a_request_that_was_decided_elsewhere_meanwhile_keeps_both_decisions"
_FULL = _DEGRADED + "test_a_full_buffer_refuses"
_BOUNDED = _DEGRADED + "test_a_buffer_is_bounded_in_bytes_too"
_LEFT = _DEGRADED + "test_closing_writes_what_is_kept"
_END_TO_END = "test_replicas_end_to_end.py::"
_OUTAGE = _END_TO_END + (
    "test_an_outage_of_postgres_is_survived_and_what_was_answered_is_written_after_it"
)
_TRIO = _END_TO_END + "test_three_replicas_are_one_service"
_STOPPED = _END_TO_END + "test_a_server_that_is_told_to_stop_loses_nothing"
_SAID = _END_TO_END + "test_a_server_that_stops_during_an_outage_says_what_is_lost"
_HORIZON = "service/test_feedback_horizon.py::"
_IN_TIME = _HORIZON + "test_up_to_the_horizon_feedback_is_learned"
_TOO_LATE = _HORIZON + "test_a_second_beyond_the_horizon_it_is_refused_and_changes_nothing"
_STILL_DUPLICATE = _HORIZON + "test_what_was_recorded_in_time_stays_a_duplicate"
_HUNG = "service/test_hung_writer.py::"
_HUNG_APPLIED = _HUNG + "test_what_a_given_up_writer_has_committed_is_applied_once"
_HUNG_LATER = _HUNG + "test_what_a_given_up_writer_still_writes_is_applied_once"
_HUNG_WHATEVER = _HUNG + (
    "test_whatever_fails_what_was_acknowledged_is_there_once_and_states_agree"
)
_STOPPED_HOLDER = _F + (
    "test_fencing.py::test_a_holder_of_the_lease_that_was_stopped_writes_nothing_when_it_wakes"
)
_FENCED = "store/test_leases.py::test_a_holder_that_was_paused_writes_nothing_after_it_was_replaced"
_STEPS_BACK = (
    "checkpoints/test_jobs.py::test_a_holder_that_was_replaced_writes_nothing_and_knows_it"
)
_WITHIN_A_WRITE = _F + (
    "test_checkpoints.py::test_no_kill_within_the_writing_of_a_checkpoint_spoils_a_start"
)
_CHANGED = _F + "test_checkpoints.py::test_whatever_changes_in_a_checkpoint_is_found"
_LEFT_BEHIND = _F + ("test_left_behind.py::test_who_was_left_behind_goes_on_from_a_checkpoint")
_FLIPPED = "checkpoints/test_keeper.py::test_a_bit_that_flips_anywhere_is_found"
_PART = "checkpoints/test_keeper.py::test_a_part_that_is_missing_is_missed"
_HALF_WAY = "checkpoints/test_keeper.py::test_sigkill_half_way_leaves_the_one_before"
_ASIDE = "checkpoints/test_recovery.py::test_a_damaged_one_is_left_aside_and_said_aloud"
_OTHER_FOLD = "checkpoints/test_recovery.py::test_of_another_fold_version_none_is_used"
_NAMED = (
    "checkpoints/test_in_service.py::test_a_damaged_one_is_named_in_the_log_and_nothing_is_lost"
)
_FOLLOWING = "service/test_following.py::"
_SAME_BITS = _FOLLOWING + "test_at_equal_positions_three_replicas_hold_the_same_bits"
_FOLLOWS = _FOLLOWING + "test_what_one_writes_reaches_the_others_without_their_asking"
_STALE = _FOLLOWING + "test_staleness_grows_only_while_the_replica_cannot_know"
_ANYWHERE = "checkpoints/test_snapshots.py::test_a_checkpoint_anywhere_makes_no_difference"
_LIVE = "store/test_live_migration.py::test_a_migration_under_load_loses_nothing_and_fails_nobody"

_BUDGETS = _F + (
    "test_budgets.py::test_no_kill_and_no_outage_spends_more_than_there_is_or_hides_what_was"
)
_BOOK = "ledger/test_ledger_machine.py::test_the_ledger_says_what_a_plain_book_says"
_WALKS = "ledger/test_ledger_machine.py::test_the_same_on_long_walks"
_LEASE_ONLY = (
    "ledger/test_leases_of_budgets.py::"
    "test_without_the_database_a_replica_spends_its_lease_and_no_more"
)

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
        "A decision is stored before it is answered, unless the answer is flagged as degraded: "
        "then as soon as the database answers again.",
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
        (_KILLS, _WRITERS, _SIMULATOR, _TRIO, _REPEATED, _BEFORE, _BOTH_KEPT),
        "While the database is away this holds for what a replica has answered itself of late (16 "
        "MB of decisions). A repeat that comes to another one, or after a restart, may be decided "
        "afresh, flagged as degraded: then both decisions are stored, and the first that was "
        "stored holds the id.",
    ),
    Guarantee(
        "G7",
        "With the database away every call is answered within the deadline, Route from memory "
        "and flagged so; no feedback is acknowledged that is not durable, and the service "
        "recovers by itself and stores what it has answered, once.",
        (_NETWORK, _POSTGRES, _FROM_MEMORY, _NEVER_EARLY, _OUTAGE),
        "What was answered from memory is lost if the process dies before it is stored.",
    ),
    Guarantee(
        "G8",
        "Of a budget never more is leased, reserved and settled than it holds, across replicas; "
        "what calls take beyond that is reported, and a crash frees nothing.",
        (_BUDGETS, _BOOK, _WALKS, _LEASE_ONLY),
        "Usage that is revised upwards may be reported as overrun though it was reserved once.",
    ),
    Guarantee(
        "G9",
        "Poison gets its status and changes nothing.",
        (_ANY_BYTES, _ANY_MESSAGE, _BAD_FEEDBACK, _AGREE),
    ),
    Guarantee(
        "G10",
        "Late feedback is applied up to the policy's horizon, refused beyond it, and that of a "
        "removed arm only recorded.",
        (_LATE, _IN_TIME, _TOO_LATE, _STILL_DUPLICATE, _AGREE, _SIMULATOR),
    ),
    Guarantee(
        "G11",
        "A process that was stopped does no harm when it wakes.",
        (
            _PAUSES,
            _STOPPED_HOLDER,
            _FENCED,
            _STEPS_BACK,
            _HUNG_APPLIED,
            _HUNG_LATER,
            _HUNG_WHATEVER,
            _SIMULATOR,
        ),
        "With SIGSTOP for the journal's lock and for the lease of checkpoints.",
    ),
    Guarantee(
        "G12",
        "A bad checkpoint is never loaded.",
        (
            _WITHIN_A_WRITE,
            _CHANGED,
            _FLIPPED,
            _PART,
            _HALF_WAY,
            _ASIDE,
            _OTHER_FOLD,
            _NAMED,
            _AGREE,
            _SIMULATOR,
        ),
    ),
    Guarantee(
        "G13",
        "Equal positions, equal states.",
        (
            _EQUAL,
            _SAME_BITS,
            _ANYWHERE,
            _FOLLOWS,
            _STALE,
            _TRIO,
            _WRITERS,
            _LEFT_BEHIND,
            _SIMULATOR,
        ),
    ),
    Guarantee("G14", "Migrations are safe, under load too.", (_MIGRATIONS, _LIVE)),
    Guarantee(
        "G15",
        "SIGTERM drains: what was answered is stored, or it says how much is not.",
        (_DRAIN, _POLITE, _STOPPED, _LEFT, _SAID),
    ),
    Guarantee(
        "G16",
        "Memory is bounded while the database is away, and while it serves.",
        (_NETWORK, _FULL, _BOUNDED, _F + "test_long_run.py::test_memory_stays_where_it_is"),
    ),
    Guarantee(
        "G17",
        "Clocks that jump by hours change no order: it comes from the journal.",
        (_SIMULATOR, _AGREE),
    ),
)
