"""What callers, operators and bad luck do to a service on three stores, and what has to hold.

The model store has its own logic, so what the two databases have in common with it is what
ports.py promises, and not what their common code happens to do.
"""

from itertools import chain
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from bandit_service import configuration, revising
from bandit_service.model import (
    Algorithm,
    Arm,
    ArmState,
    Decision,
    Failure,
    FeedbackEvent,
    Forgetting,
    Preference,
    Query,
    Recorded,
    Source,
    Submission,
    Usage,
    smallest_id,
)
from bandit_service.retention import DAY, MARGIN
from tests.builders import a_config, arms, packed
from tests.faults.chores import AWAY as GONE
from tests.faults.chores import HORIZON, SAVED
from tests.faults.shelves import Shelves
from tests.faults.switched_store import AFTER_COMMIT, AWAY, BEFORE_COMMIT
from tests.faults.three_stores import Three, empty

UNAVAILABLE = "StoreUnavailable"

scores = st.sampled_from([0.0, 0.25, 0.5, 1.0])
poison = st.sampled_from([float("nan"), float("inf"), -0.1, 7.0, 1e308])
picks = st.integers(0, 1_000)
numbers = st.sampled_from([(0.6, 0.8), (1.0, 0.0), (-0.3, 2.0), (0.0, 0.0)])
counted = {"steps": 0, "refused": 0, "acknowledged": 0, "crashes": 0, "outages": 0}
counted |= {"checkpoints": 0, "broken_off": 0, "damaged": 0, "starts_from_one": 0, "let_go": 0}


class Services(RuleBasedStateMachine):
    urls: tuple[str, str]
    stores: tuple[Any, Any]

    @initialize()
    def begin(self) -> None:
        for url in self.urls:
            empty(url)
        self.three = Three(*self.stores)
        self.shelves = Shelves(self.three, self.urls)
        given: dict[str, Any] = {"arms": arms("a", "b"), "feedback_horizon": HORIZON}
        self.three.create(a_config(algorithm=Algorithm("linear_thompson"), **given))
        self.three.create(a_config(name="other", **given))
        self.decisions: list[Decision] = []
        self.acknowledged: dict[str, Recorded] = {}
        self.sent: list[Submission] = []
        self.queries: list[Query] = []
        self.made = 0
        self.away = False
        self.latest = self.three.now  # it has been
        self.tidied = 0.0  # when that was done last

    # -- what callers do -----------------------------------------------------------------

    @rule(vector=numbers, named=st.booleans(), duel=st.booleans(), session=st.booleans())
    def route(self, vector: Any, named: bool, duel: bool, session: bool) -> None:
        name = f"r{self._next()}" if named else ""
        about = "s" if session else ""
        query = Query("chat", vector=packed(*vector), request_id=name, duel=duel, session=about)
        self._route(query)

    @rule(vector=numbers)
    def route_elsewhere(self, vector: Any) -> None:
        self._route(Query("other", vector=packed(*vector)))

    @precondition(lambda self: self.queries)
    @rule(pick=picks, vector=numbers)
    def route_again(self, pick: int, vector: Any) -> None:
        """The same request, or another one under its id."""
        earlier = self.queries[pick % len(self.queries)]
        if pick % 3:
            self._route(earlier)
        else:
            self._route(Query("chat", vector=packed(*vector), request_id=earlier.request_id))

    @precondition(lambda self: self.decisions)
    @rule(pick=picks, score=scores, source=st.sampled_from(Source), failed=st.booleans())
    def feedback(self, pick: int, score: float, source: Source, failed: bool) -> None:
        """For any decision, however late."""
        self._send(
            self._submission(
                pick,
                score=score,
                source=source,
                failure=Failure.ERROR if failed else None,
                usage=Usage(cost_usd=score / 8) if pick % 2 else None,
            )
        )

    @precondition(lambda self: len(self.decisions) > 1)
    @rule(picked=st.lists(st.tuples(picks, scores), min_size=2, max_size=5), turn=st.booleans())
    def feedback_together(self, picked: Any, turn: bool) -> None:
        """In one batch, in either order, one of them twice."""
        made = [self._submission(pick, score=score) for pick, score in picked]
        made.append(made[0])
        self._send(*(made[::-1] if turn else made))

    @precondition(lambda self: self.sent)
    @rule(pick=picks, score=scores)
    def feedback_again(self, pick: int, score: float) -> None:
        """The same, or other feedback under the same id."""
        earlier = self.sent[pick % len(self.sent)]
        other = Submission(earlier.decision_id, earlier.feedback_id, success=score > 0.3)
        self._send(earlier if pick % 3 else other)

    @precondition(lambda self: len(self.decisions) > 1)
    @rule(pick=picks, other=picks, tie=st.booleans())
    def prefer(self, pick: int, other: int, tie: bool) -> None:
        """One of two decisions, perhaps of the other policy, perhaps the same one twice."""
        one, two = (self.decisions[i % len(self.decisions)] for i in (pick, other))
        better = "" if tie else one.id
        preference = Preference(other_decision_id=two.id, preferred_decision_id=better, tie=tie)
        self._send(self._submission(pick, preference=preference))

    @precondition(lambda self: self.decisions)
    @rule(pick=picks, bad=poison, how=st.sampled_from(["score", "arm", "decision", "preference"]))
    def feedback_that_makes_no_sense(self, pick: int, bad: float, how: str) -> None:
        if how == "score":
            made = self._submission(pick, score=bad)
        elif how == "arm":
            made = self._submission(pick, score=0.5, arm="nobody")
        elif how == "decision":
            made = Submission("no such decision", f"f{self._next()}", score=0.5)
        else:
            made = self._submission(pick, preference=Preference(preferred_arm="nobody"))
        before, state = (self.three.journal(), self.three.journal(2)), self.three.state()
        answers = self._send(made)
        assert not any(isinstance(answer, Recorded) for answer in answers)
        assert (self.three.journal(), self.three.journal(2)) == before
        # A commit that nobody heard of may only now be read.
        assert self.three.state() == state or state[0] < len(before[0])
        counted["refused"] += 1

    # -- what operators do ----------------------------------------------------------------

    @rule(floor=st.sampled_from([0.0, 0.02, 0.1]), half_life=st.sampled_from([None, 60.0, 3600.0]))
    def edit(self, floor: float, half_life: float | None) -> None:
        forgetting = None if half_life is None else Forgetting(half_life)
        self._revise(configuration.updated({"floor": floor, "forgetting": forgetting}))

    @rule(name=st.sampled_from(["linear_thompson", "linucb"]))
    def change_algorithm(self, name: str) -> None:
        self._revise(configuration.updated({"algorithm": Algorithm(name)}))

    @rule(name=st.sampled_from(["a", "c", "d"]))
    def add_arm(self, name: str) -> None:
        self._revise(configuration.arm_added(Arm(name=name, model=name)))

    @rule(
        name=st.sampled_from(["a", "b", "c", "d"]),
        state=st.sampled_from([ArmState.RETIRED, ArmState.REMOVED]),
    )
    def take_arm(self, name: str, state: ArmState) -> None:
        self._revise(configuration.arm_state_changed(name, state))

    @rule(name=st.sampled_from(["a", "b", "c"]), version=st.sampled_from(["1", "2"]))
    def replace_model(self, name: str, version: str) -> None:
        self._revise(configuration.arm_updated(name, {"model_version": version}))

    # -- what happens ---------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.1, 10.0, 3_600.0, -7_200.0]))
    def time_passes(self, seconds: float) -> None:
        """Now and then backwards; retention has a margin of a day for that."""
        self.three.now = max(self.three.now + seconds, self.latest - MARGIN / 2)
        self.latest = max(self.latest, self.three.now)

    @precondition(lambda self: not self.away)
    @rule()
    def crash(self) -> None:
        self._start_again()
        counted["crashes"] += 1

    def _start_again(self) -> None:
        """From the newest checkpoint that is good, if there is one, to the end of the journal."""
        self.three.restart()
        for number, policy in enumerate(("chat", "other"), 1):
            assert self.three.state(policy) == self.three.folded(number)
            counted["starts_from_one"] += self.shelves.check_the_start(number)

    @rule()
    def outage(self) -> None:
        self.away = not self.away
        self.three.fail(AWAY if self.away else "")
        counted["outages"] += self.away

    @precondition(lambda self: not self.away)
    @rule(fault=st.sampled_from([BEFORE_COMMIT, AFTER_COMMIT]))
    def next_commit_fails(self, fault: str) -> None:
        self.three.fail(fault)

    # -- chores ---------------------------------------------------------------------------

    @rule(broken=st.integers(0, 8))
    def checkpoint(self, broken: int) -> None:
        """Of both policies; perhaps broken off before one of its parts."""
        came_to = self.shelves.checkpoint(broken)
        assert came_to in (SAVED, GONE)
        assert came_to == GONE if self.away else broken or came_to == SAVED
        counted["checkpoints" if came_to == SAVED else "broken_off"] += 1

    @precondition(lambda self: self.shelves.may_be_damaged())
    @rule(pick=picks)
    def damage_the_newest(self, pick: int) -> None:
        self.shelves.damage(pick)
        counted["damaged"] += 1

    @rule(days=st.sampled_from([0.5, 3.0]), save=st.booleans())
    def tidy_up(self, days: float, save: bool) -> None:
        """After some days in which nobody called."""
        self.three.now += days * DAY
        self.latest = max(self.latest, self.three.now)
        if save:
            self.shelves.checkpoint(0)
        before = len(self.three.kept()) + len(self.three.kept(2))
        if self.shelves.tidy():
            self.tidied = max(self.tidied, self.three.now)
        counted["let_go"] += before - len(self.three.kept()) - len(self.three.kept(2))

    # -- the steps themselves -------------------------------------------------------------

    def _next(self) -> int:
        self.made += 1
        return self.made

    def _route(self, query: Query) -> None:
        name = f"{smallest_id(self.three.now)[:-12]}{self._next():012x}"
        answer = self.three.ask(lambda replica, answered: replica.route(query, name, answered))
        if isinstance(answer, Decision):
            self.decisions.append(answer)
            if query.request_id:
                self.queries.append(query)
        elif self.away:
            assert answer[0] in (UNAVAILABLE, "NoEligibleArm"), answer

    def _submission(self, pick: int, **fields: Any) -> Submission:
        decision = self.decisions[pick % len(self.decisions)]
        if decision.second_arm is not None and "arm" not in fields and "preference" not in fields:
            fields["arm"] = "ab"[pick % 2]
        return Submission(decision.id, f"f{self._next()}", **fields)

    def _send(self, *submissions: Submission) -> list[Any]:
        answer = self.three.ask(lambda replica, answered: replica.feedback(submissions, answered))
        answers = answer if isinstance(answer, list) else [answer]
        for submission, each in zip(submissions, answers, strict=False):
            if isinstance(each, Recorded):
                first = self.acknowledged.setdefault(each.feedback_id, each)
                assert (first.position, first.effect) == (each.position, each.effect)
                self.sent.append(submission)
        if self.away:
            assert answer[0] == UNAVAILABLE
        return answers

    def _revise(self, change: configuration.Change) -> None:
        def work(batch: Any) -> Any:
            return revising.revise(batch, 1, "", change)

        self.three.ask(lambda replica, answered: replica.change(work, answered))

    # -- what has to hold -----------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "three"):
            return
        counted["steps"] += 1
        journals = self.three.journal(), self.three.journal(2)
        for journal in journals:
            assert [entry.position for entry in journal] == list(range(1, len(journal) + 1))
        told = [e for e in chain(*journals) if isinstance(e.event, FeedbackEvent)]
        where = {e.event.feedback_id: (e.position, e.event.effect) for e in told}  # type: ignore[union-attr]
        assert len(where) == len(told)
        for feedback_id, answer in self.acknowledged.items():
            assert where[feedback_id] == (answer.position, answer.effect)
        for decision in self.decisions:
            for each in self.three.stores:
                stored = each.store.decision(decision.id)
                is_old = decision.create_time < self.tidied - HORIZON  # nothing can come of it
                assert stored == decision or (stored is None and is_old)
        self.shelves.check_what_is_kept(self.tidied - HORIZON)
        if not self.away and self.three.state()[0] == len(journals[0]):
            assert self.three.state() == self.three.folded()

    def teardown(self) -> None:
        if hasattr(self, "three"):
            self.three.fail("")
            self._start_again()
            self.shelves.close()
            counted["acknowledged"] += len(self.decisions) + len(self.acknowledged)
