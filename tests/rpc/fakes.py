"""Use cases that answer, or fail, as a test tells them to, and remember what they were asked."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bandit_service.errors import BanditError
from bandit_service.model import (
    Arm,
    ArmPreview,
    ChallengersView,
    ChallengerView,
    ContestantView,
    Effect,
    Explanation,
    FieldChange,
    Freshness,
    Interval,
    Objective,
    PolicyConfig,
    PolicyView,
    Preview,
    Query,
    Recorded,
    RevisionView,
    Routed,
    StateView,
    Submission,
    Verdict,
)
from tests.builders import NOW, a_config, a_decision


def a_view(config: PolicyConfig | None = None) -> PolicyView:
    return PolicyView(
        config=config or a_config(), revision=3, etag="3-abc", create_time=NOW, update_time=NOW + 5
    )


class FakeUseCases:
    """All three at once. `fault`, if set, is what the next call raises."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.fault: BaseException | None = None
        self.item_fault: BanditError | None = None

    def _asked(self, *what: Any) -> None:
        self.asked.append(what)
        if self.fault is not None:
            raise self.fault

    async def route(self, query: Query, left: float | None = None) -> Routed:
        self._asked("route", query)
        return Routed(a_decision(), arm="small")

    async def route_many(
        self, queries: Sequence[Query], left: float | None = None
    ) -> list[Routed | BanditError]:
        self._asked("route_many", list(queries))
        return [
            self.item_fault or Routed(a_decision(id=query.request_id), arm="small")
            for query in queries
        ]

    async def explain(self, decision_id: str) -> Explanation:
        self._asked("explain", decision_id)
        return Explanation(
            policy="chat",
            routed=Routed(a_decision(id=decision_id), arm="small"),
            context=(0.6, 0.8, 1.0),
            arms=(),
            outcomes=(),
        )

    async def record(self, submission: Submission) -> Recorded:
        self._asked("record", submission)
        return Recorded(submission.feedback_id, position=7, effect=Effect.LEARNED)

    async def record_many(self, submissions: Sequence[Submission]) -> list[Recorded | BanditError]:
        self._asked("record_many", list(submissions))
        return [
            self.item_fault or Recorded(said.feedback_id, position=7, effect=Effect.LEARNED)
            for said in submissions
        ]

    async def create(self, config: PolicyConfig, author: str) -> PolicyView:
        self._asked("create", config, author)
        return a_view(config)

    def get(self, name: str) -> PolicyView:
        self._asked("get", name)
        return a_view()

    def list(self, page_size: int, page_token: str) -> tuple[Sequence[PolicyView], str]:
        self._asked("list", page_size, page_token)
        return [a_view()], "more"

    async def update(
        self, name: str, changes: Mapping[str, Any], etag: str, author: str
    ) -> tuple[PolicyView, bool]:
        self._asked("update", name, changes, etag, author)
        return a_view(), True

    async def history(self, name: str, limit: int, before: int) -> Sequence[RevisionView]:
        self._asked("history", name, limit, before)
        change = FieldChange("floor", "0.01", None)
        return [RevisionView(2, "1-2", 9, NOW, "ada", True, (change,))]

    async def preview(
        self, name: str, changes: Mapping[str, Any], etag: str, limit: int
    ) -> Preview:
        self._asked("preview", name, changes, etag, limit)
        return Preview(
            decisions=0,
            left_out=1,
            arms=(ArmPreview("small", Interval(0.5), Interval(0.25)),),
            quality=None,
            cost_usd=None,
            latency_seconds=None,
            energy_joules=None,
            overlap=None,
            objective=Objective(),
        )

    async def delete(self, name: str, etag: str) -> None:
        self._asked("delete", name, etag)

    async def add_arm(self, policy: str, arm: Arm, etag: str, author: str) -> PolicyView:
        self._asked("add_arm", policy, arm, etag, author)
        return a_view()

    async def update_arm(
        self, policy: str, arm: str, changes: Mapping[str, Any], etag: str, author: str
    ) -> tuple[PolicyView, bool]:
        self._asked("update_arm", policy, arm, changes, etag, author)
        return a_view(), True

    async def retire_arm(self, policy: str, arm: str, etag: str, author: str) -> PolicyView:
        self._asked("retire_arm", policy, arm, etag, author)
        return a_view()

    async def challengers(self, name: str) -> ChallengersView:
        self._asked("challengers", name)
        side = ContestantView("bold", 0.25, 80.0, Interval(0.5, 0.4, 0.6), None, None, None)
        one = ChallengerView(
            contestant=side,
            algorithm="linucb",
            margin=0.02,
            revision=3,
            decisions=9,
            judged=8,
            difference=Interval(0.1, -0.1, 0.3),
            verdict=Verdict.OPEN,
            incumbent=msgspec.structs.replace(side, name="incumbent", share=0.75),
        )
        return ChallengersView("chat", (one,))

    async def promote(
        self, policy: str, challenger: str, force: bool, etag: str, author: str
    ) -> PolicyView:
        self._asked("promote", policy, challenger, force, etag, author)
        return a_view()

    async def remove_arm(self, policy: str, arm: str, etag: str, author: str) -> PolicyView:
        self._asked("remove_arm", policy, arm, etag, author)
        return a_view()

    async def state_from(
        self, name: str, min_position: int, left: float | None = None
    ) -> tuple[StateView, Freshness]:
        self._asked("state", name, min_position)
        view = StateView(position=9, state_hash="ab" * 32, feature_version="v", arms=())
        return view, Freshness(replica="here", applied=9, head=11, staleness_seconds=0.25)
