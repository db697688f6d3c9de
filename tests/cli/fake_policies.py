"""The operator's side of a service, kept in a dict; it checks names and etags only."""

from typing import Any

import grpc

from bandit_service.rpc.pb import policy_pb2 as pb
from bandit_service.rpc.pb import policy_pb2_grpc


class FakePolicies(policy_pb2_grpc.PolicyServiceServicer):
    def __init__(self) -> None:
        self.policies: dict[str, pb.Policy] = {}
        self.masks: list[list[str]] = []
        self.authors: list[str] = []

    async def CreatePolicy(self, request: Any, context: Any) -> Any:
        name = request.policy.name
        if name in self.policies:
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, f"policy '{name}' exists already")
        self.policies[name] = request.policy
        return pb.CreatePolicyResponse(policy=self._changed(name))

    async def GetPolicy(self, request: Any, context: Any) -> Any:
        return pb.GetPolicyResponse(policy=await self._found(request.name, context))

    async def ListPolicies(self, request: Any, context: Any) -> Any:
        """One a page."""
        names = sorted(self.policies)
        at = int(request.page_token or 0)
        following = str(at + 1) if at + 1 < len(names) else ""
        page = [self.policies[name] for name in names[at : at + 1]]
        return pb.ListPoliciesResponse(policies=page, next_page_token=following)

    async def UpdatePolicy(self, request: Any, context: Any) -> Any:
        policy = await self._found(request.policy.name, context, request.policy.etag)
        self._replace(policy, request.policy, request.update_mask.paths)
        self.authors.append(request.author)
        restarted = "features" in request.update_mask.paths
        changed = self._changed(policy.name)
        return pb.UpdatePolicyResponse(policy=changed, learning_restarted=restarted)

    async def DeletePolicy(self, request: Any, context: Any) -> Any:
        await self._found(request.name, context, request.etag)
        del self.policies[request.name]
        return pb.DeletePolicyResponse()

    async def AddArm(self, request: Any, context: Any) -> Any:
        policy = await self._found(request.policy, context, request.etag)
        policy.arms.append(request.arm)
        return pb.AddArmResponse(policy=self._changed(policy.name))

    async def UpdateArm(self, request: Any, context: Any) -> Any:
        policy = await self._found(request.policy, context, request.etag)
        arm = next(arm for arm in policy.arms if arm.name == request.arm.name)
        self._replace(arm, request.arm, request.update_mask.paths)
        restarted = "model_version" in request.update_mask.paths
        changed = self._changed(policy.name)
        return pb.UpdateArmResponse(policy=changed, learning_restarted=restarted)

    async def RetireArm(self, request: Any, context: Any) -> Any:
        policy = await self._found(request.policy, context, request.etag)
        if request.arm == policy.default_arm:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "it is the default arm")
        next(a for a in policy.arms if a.name == request.arm).state = pb.ARM_STATE_RETIRED
        return pb.RetireArmResponse(policy=self._changed(policy.name))

    async def RemoveArm(self, request: Any, context: Any) -> Any:
        policy = await self._found(request.policy, context, request.etag)
        next(a for a in policy.arms if a.name == request.arm).state = pb.ARM_STATE_REMOVED
        return pb.RemoveArmResponse(policy=self._changed(policy.name))

    async def GetPolicyState(self, request: Any, context: Any) -> Any:
        policy = await self._found(request.name, context)
        arms = [pb.ArmStatistics(arm=arm.name, observations=2.0) for arm in policy.arms]
        arms[0].mean_quality = 0.75
        return pb.GetPolicyStateResponse(position=9, state_hash="abc", arms=arms)

    async def GetPolicyHistory(self, request: Any, context: Any) -> Any:
        policy = await self._found(request.name, context)
        change = pb.FieldChange(field="floor", old="0.01", new="0.05")
        revisions = [
            pb.PolicyRevision(revision=2, etag=policy.etag, author="ada", changes=[change]),
            pb.PolicyRevision(revision=1, etag="e1"),
        ]
        return pb.GetPolicyHistoryResponse(revisions=revisions[: request.limit])

    async def PreviewPolicy(self, request: Any, context: Any) -> Any:
        policy = await self._found(request.policy.name, context, request.policy.etag)
        self.masks.append(list(request.update_mask.paths))
        third = pb.Interval(value=1 / 3, low=0.25, high=0.5)
        arms = [pb.ArmPreview(arm=arm.name, before=third, after=third) for arm in policy.arms]
        return pb.PreviewPolicyResponse(
            basis=pb.PREVIEW_BASIS_TRAFFIC if request.decisions > 1 else pb.PREVIEW_BASIS_ESTIMATES,
            decisions=request.decisions,
            arms=arms,
            quality=pb.AmountPreview(before=third, after=third, difference=third),
            overlap=pb.Overlap(decisions=9, effective_decisions=4.5, why_not="too little"),
            objective=request.policy.objective,
        )

    async def _found(self, name: str, context: Any, etag: str = "") -> pb.Policy:
        policy = self.policies.get(name)
        if policy is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no policy '{name}'")
        assert policy is not None
        if etag not in ("", policy.etag):
            await context.abort(grpc.StatusCode.ABORTED, f"policy '{name}' has changed")
        return policy

    def _changed(self, name: str) -> pb.Policy:
        policy = self.policies[name]
        policy.revision += 1
        policy.etag = f"e{policy.revision}"
        return policy

    def _replace(self, target: Any, source: Any, paths: Any) -> None:
        self.masks.append(list(paths))
        for path in paths:
            target.ClearField(path)
            target.MergeFrom(
                type(target)(**{f.name: v for f, v in source.ListFields() if f.name == path})
            )
