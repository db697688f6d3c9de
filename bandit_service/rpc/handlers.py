"""The methods of both services: read the request, ask the use case, write the answer.

Errors are not their business (guard.py), nor is what a request may say (convert*.py).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from bandit_service.errors import BanditError
from bandit_service.model import (
    Arm,
    ChallengersView,
    Explanation,
    Freshness,
    PolicyConfig,
    PolicyView,
    Preview,
    Query,
    Recorded,
    RevisionView,
    Routed,
    StateView,
    Submission,
)
from bandit_service.rpc import (
    answers,
    convert,
    convert_challengers,
    convert_feedback,
    convert_policy,
    policy_answers,
    preview_answers,
)
from bandit_service.rpc.deadline import time_left
from bandit_service.rpc.pb import policy_pb2, routing_pb2
from bandit_service.watching import CallWatch

Item = TypeVar("Item")
Done = TypeVar("Done")


class Routing(Protocol):
    """Chooses arms."""

    async def route(self, query: Query, left: float | None = None) -> Routed: ...

    async def route_many(
        self, queries: Sequence[Query], left: float | None = None
    ) -> list[Routed | BanditError]: ...

    async def explain(self, decision_id: str) -> Explanation: ...


class FeedbackDesk(Protocol):
    """Takes feedback."""

    async def record(self, submission: Submission) -> Recorded: ...

    async def record_many(
        self, submissions: Sequence[Submission]
    ) -> list[Recorded | BanditError]: ...


class Administration(Protocol):
    """Keeps policies."""

    async def create(self, config: PolicyConfig, author: str) -> PolicyView: ...

    def get(self, name: str) -> PolicyView: ...

    def list(self, page_size: int, page_token: str) -> tuple[Sequence[PolicyView], str]: ...

    async def history(self, name: str, limit: int, before: int) -> Sequence[RevisionView]: ...

    async def preview(
        self, name: str, changes: Mapping[str, Any], etag: str, limit: int
    ) -> Preview: ...

    async def update(
        self, name: str, changes: Mapping[str, Any], etag: str, author: str
    ) -> tuple[PolicyView, bool]: ...

    async def delete(self, name: str, etag: str) -> None: ...

    async def add_arm(self, policy: str, arm: Arm, etag: str, author: str) -> PolicyView: ...

    async def update_arm(
        self, policy: str, arm: str, changes: Mapping[str, Any], etag: str, author: str
    ) -> tuple[PolicyView, bool]: ...

    async def retire_arm(self, policy: str, arm: str, etag: str, author: str) -> PolicyView: ...

    async def remove_arm(self, policy: str, arm: str, etag: str, author: str) -> PolicyView: ...

    async def state_from(
        self, name: str, min_position: int, left: float | None = None
    ) -> tuple[StateView, Freshness]: ...

    async def challengers(self, name: str) -> ChallengersView: ...

    async def promote(
        self, policy: str, challenger: str, force: bool, etag: str, author: str
    ) -> PolicyView: ...


class RoutingHandlers:
    """RoutingService."""

    def __init__(self, routing: Routing, feedback: FeedbackDesk, watch: CallWatch) -> None:
        self._routing = routing
        self._feedback = feedback
        self._watch = watch

    async def Route(self, request: routing_pb2.RouteRequest) -> routing_pb2.RouteResponse:
        query = convert.query(request)
        routed = await self._routing.route(query, time_left())
        self._watch.routed(((query, routed),))
        return answers.route_response(routed)

    async def BatchRoute(
        self, request: routing_pb2.BatchRouteRequest
    ) -> routing_pb2.BatchRouteResponse:
        queries = convert.queries(request.requests)
        route_many = partial(self._routing.route_many, left=time_left())
        results = await _in_place(queries, route_many)
        self._watch.batch("BatchRoute", results)
        self._watch.routed(zip(queries, results, strict=True))
        return answers.route_results(results)

    async def Feedback(self, request: routing_pb2.FeedbackRequest) -> routing_pb2.FeedbackResponse:
        recorded = await self._feedback.record(convert_feedback.submission(request))
        return answers.feedback_response(recorded)

    async def BatchFeedback(
        self, request: routing_pb2.BatchFeedbackRequest
    ) -> routing_pb2.BatchFeedbackResponse:
        submissions = convert.each(request.requests, convert_feedback.submission)
        results = await _in_place(submissions, self._feedback.record_many)
        self._watch.batch("BatchFeedback", results)
        return answers.feedback_results(results)

    async def GetDecision(
        self, request: routing_pb2.GetDecisionRequest
    ) -> routing_pb2.GetDecisionResponse:
        explained = await self._routing.explain(convert.decision_id(request))
        return answers.explanation(explained)


async def _in_place(
    items: Sequence[Item | BanditError],
    use: Callable[[Sequence[Item]], Awaitable[list[Done | BanditError]]],
) -> list[Done | BanditError]:
    """Uses the items that could be read; the errors of the others stay in their places."""
    good = [item for item in items if not isinstance(item, BanditError)]
    done = iter(await use(good) if good else [])
    return [item if isinstance(item, BanditError) else next(done) for item in items]


class PolicyHandlers:
    """PolicyService."""

    def __init__(self, administration: Administration) -> None:
        self._administration = administration

    async def CreatePolicy(
        self, request: policy_pb2.CreatePolicyRequest
    ) -> policy_pb2.CreatePolicyResponse:
        config, author = convert_policy.config(request), convert_policy.author(request)
        view = await self._administration.create(config, author)
        return policy_pb2.CreatePolicyResponse(policy=policy_answers.policy(view))

    async def GetPolicy(self, request: policy_pb2.GetPolicyRequest) -> policy_pb2.GetPolicyResponse:
        view = self._administration.get(convert_policy.policy_name("name", request.name))
        return policy_pb2.GetPolicyResponse(policy=policy_answers.policy(view))

    async def ListPolicies(
        self, request: policy_pb2.ListPoliciesRequest
    ) -> policy_pb2.ListPoliciesResponse:
        views, next_page_token = self._administration.list(*convert_policy.page(request))
        return policy_answers.policies(views, next_page_token)

    async def UpdatePolicy(
        self, request: policy_pb2.UpdatePolicyRequest
    ) -> policy_pb2.UpdatePolicyResponse:
        view, restarted = await self._administration.update(*convert_policy.policy_update(request))
        return policy_pb2.UpdatePolicyResponse(
            policy=policy_answers.policy(view), learning_restarted=restarted
        )

    async def DeletePolicy(
        self, request: policy_pb2.DeletePolicyRequest
    ) -> policy_pb2.DeletePolicyResponse:
        await self._administration.delete(*convert_policy.deletion(request))
        return policy_pb2.DeletePolicyResponse()

    async def AddArm(self, request: policy_pb2.AddArmRequest) -> policy_pb2.AddArmResponse:
        view = await self._administration.add_arm(*convert_policy.arm_addition(request))
        return policy_pb2.AddArmResponse(policy=policy_answers.policy(view))

    async def UpdateArm(self, request: policy_pb2.UpdateArmRequest) -> policy_pb2.UpdateArmResponse:
        view, restarted = await self._administration.update_arm(*convert_policy.arm_update(request))
        return policy_pb2.UpdateArmResponse(
            policy=policy_answers.policy(view), learning_restarted=restarted
        )

    async def RetireArm(self, request: policy_pb2.RetireArmRequest) -> policy_pb2.RetireArmResponse:
        view = await self._administration.retire_arm(*convert_policy.arm_reference(request))
        return policy_pb2.RetireArmResponse(policy=policy_answers.policy(view))

    async def RemoveArm(self, request: policy_pb2.RemoveArmRequest) -> policy_pb2.RemoveArmResponse:
        view = await self._administration.remove_arm(*convert_policy.arm_reference(request))
        return policy_pb2.RemoveArmResponse(policy=policy_answers.policy(view))

    async def GetPolicyState(
        self, request: policy_pb2.GetPolicyStateRequest
    ) -> policy_pb2.GetPolicyStateResponse:
        name = convert_policy.policy_name("name", request.name)
        position = convert.position("min_position", request.min_position)
        return policy_answers.state(
            *await self._administration.state_from(name, position, time_left())
        )

    async def GetPolicyHistory(
        self, request: policy_pb2.GetPolicyHistoryRequest
    ) -> policy_pb2.GetPolicyHistoryResponse:
        views = await self._administration.history(*convert_policy.history(request))
        return policy_answers.history(views)

    async def PreviewPolicy(
        self, request: policy_pb2.PreviewPolicyRequest
    ) -> policy_pb2.PreviewPolicyResponse:
        found = await self._administration.preview(*convert_policy.preview(request))
        return preview_answers.preview(found)

    async def GetChallengers(
        self, request: policy_pb2.GetChallengersRequest
    ) -> policy_pb2.GetChallengersResponse:
        name = convert_policy.policy_name("name", request.name)
        return convert_challengers.standings(await self._administration.challengers(name))

    async def PromoteChallenger(
        self, request: policy_pb2.PromoteChallengerRequest
    ) -> policy_pb2.PromoteChallengerResponse:
        view = await self._administration.promote(*convert_policy.promotion(request))
        return policy_pb2.PromoteChallengerResponse(policy=policy_answers.policy(view))
