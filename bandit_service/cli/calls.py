"""The commands of the hot path, for trying things out and for scripts."""

import base64
from typing import Annotated, Any

import typer

from bandit_service.cli import decision_output, output
from bandit_service.cli.connection import TIMEOUT_SECONDS, Service, calling

_SOURCES = "expert, user, check, judge or implicit."
_OWN_WEIGHT = "Points it is worth, for this query; the policy sets the limits."
_FAILURES = "timeout, rate_limit, error or refusal: how the call failed."


@calling
def route(
    service: Service,
    policy: Annotated[str, typer.Argument(help="Name of the policy.")],
    text: Annotated[str | None, typer.Argument(help="The query; - reads it from stdin.")] = None,
    vector: Annotated[str | None, typer.Option(help="The query as numbers: 0.1,0.2")] = None,
    request_id: Annotated[str | None, typer.Option(help="Makes the call idempotent.")] = None,
    input_tokens: Annotated[int | None, typer.Option(min=0, help="Estimated.")] = None,
    output_tokens: Annotated[int | None, typer.Option(min=0, help="Estimated.")] = None,
    required_tag: Annotated[list[str] | None, typer.Option(help="Repeatable.")] = None,
    required_modality: Annotated[list[str] | None, typer.Option(help="Repeatable.")] = None,
    allowed_arm: Annotated[list[str] | None, typer.Option(help="Only these. Repeatable.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="What the query is about. Repeatable.")
    ] = None,
    session: Annotated[str | None, typer.Option(help="Its last arm is kept.")] = None,
    subject: Annotated[str | None, typer.Option(help="Who or what it is about.")] = None,
    duel: Annotated[bool, typer.Option("--duel", help="Choose two arms.")] = False,
    min_position: Annotated[
        int, typer.Option(min=0, help="Wait for this position of the journal.")
    ] = 0,
    quality_per_usd: Annotated[float | None, typer.Option(help=_OWN_WEIGHT)] = None,
    quality_per_second: Annotated[float | None, typer.Option(help=_OWN_WEIGHT)] = None,
    quality_per_joule: Annotated[float | None, typer.Option(help=_OWN_WEIGHT)] = None,
    dial: Annotated[
        float | None, typer.Option(help="From 0, accuracy, to 10, energy, for this query.")
    ] = None,
) -> None:
    """Choose an arm for a query."""
    from bandit_service.client.arguments import RouteOptions
    from bandit_service.client.messages import route_request

    options: RouteOptions = {
        "request_id": request_id,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "required_tags": required_tag or (),
        "required_modalities": required_modality or (),  # type: ignore[typeddict-item] # checked there
        "allowed_arms": allowed_arm or (),
        "labels": label or (),
        "session": session,
        "subject": subject,
        "duel": duel,
        "min_position": min_position,
        "quality_per_usd": quality_per_usd,
        "quality_per_second": quality_per_second,
        "quality_per_joule": quality_per_joule,
        "accuracy_energy_dial": dial,
    }
    if text == "-":
        text = typer.get_text_stream("stdin").read()
    request = route_request(text, _numbers(vector), policy, options)
    made = service.routing.Route(request, timeout=TIMEOUT_SECONDS)
    if service.as_json:
        output.as_json(made)
    else:
        output.facts(decision_output.chosen(made))


@calling
def feedback(
    service: Service,
    decision_id: Annotated[str, typer.Argument(help="What `route` printed.")],
    success: Annotated[bool | None, typer.Option("--success/--no-success")] = None,
    score: Annotated[float | None, typer.Option(help="From 0, worst, to 1, best.")] = None,
    failure: Annotated[str | None, typer.Option(help=_FAILURES)] = None,
    prefer: Annotated[str | None, typer.Option(help="The better arm of a duel.")] = None,
    over: Annotated[str | None, typer.Option(help="The decision that this one beats.")] = None,
    tie: Annotated[bool, typer.Option("--tie", help="Neither arm of a duel is better.")] = False,
    tie_with: Annotated[str | None, typer.Option(help="The decision that is as good.")] = None,
    source: Annotated[str, typer.Option(help=_SOURCES)] = "user",
    arm: Annotated[str | None, typer.Option(help="The arm spoken of, in a duel.")] = None,
    cost_usd: Annotated[float | None, typer.Option()] = None,
    input_tokens: Annotated[int | None, typer.Option()] = None,
    output_tokens: Annotated[int | None, typer.Option()] = None,
    latency_seconds: Annotated[float | None, typer.Option()] = None,
    time_to_first_token_seconds: Annotated[float | None, typer.Option()] = None,
    energy_joules: Annotated[float | None, typer.Option()] = None,
    energy_source: Annotated[str | None, typer.Option(help="measured, sampled, estimated")] = None,
    other_call: Annotated[
        list[str] | None,
        typer.Option(
            help="A call beside the arm's own, charged too: retry=USD, cascade=USD or judge=USD."
        ),
    ] = None,
    feedback_id: Annotated[str | None, typer.Option(help="Makes the call idempotent.")] = None,
    token: Annotated[str | None, typer.Option(help="What `route` printed with it.")] = None,
    other_token: Annotated[
        str | None, typer.Option(help="The same of --over and --tie-with.")
    ] = None,
) -> None:
    """Tell how a decision turned out."""
    from bandit_service.client import messages
    from bandit_service.client.arguments import FeedbackOptions

    given = dict(locals())
    values: Any = {name: given[name] for name in FeedbackOptions.__annotations__ if name in given}
    values["other_calls"] = [_other_call(one) for one in other_call or ()]
    other = _known(over or tie_with, "--other-token", other_token)
    compared = _compared(decision_id, prefer, other, over, tie, tie_with)
    request = messages.feedback_request(_known(decision_id, "--token", token), values, compared)
    recorded = service.routing.Feedback(request, timeout=TIMEOUT_SECONDS)
    if service.as_json:
        output.as_json(recorded)
        return
    result = messages.result_of(recorded)
    effect = result.effect + (" (sent before)" if result.duplicate else "")
    facts = {"effect": effect, "position": result.position, "feedback_id": result.feedback_id}
    output.facts(facts.items())


@calling
def decision(
    service: Service,
    decision_id: Annotated[str, typer.Argument(help="What `route` printed.")],
) -> None:
    """Explain a decision: every arm's probability and estimates, and the feedback so far."""
    from bandit_service.rpc.pb import routing_pb2 as pb

    request = pb.GetDecisionRequest(decision_id=decision_id)
    found = service.routing.GetDecision(request, timeout=TIMEOUT_SECONDS)
    if service.as_json:
        output.as_json(found)
    else:
        decision_output.show(found.decision)


def _other_call(said: str) -> Any:
    from bandit_service.client import OtherCall

    kind, _, amount = said.partition("=")
    try:
        return OtherCall(kind, cost_usd=float(amount))  # type: ignore[arg-type]
    except ValueError:
        raise typer.BadParameter(f"--other-call: {said!r} is not like retry=0.002") from None


def _known(decision_id: str | None, option: str, token: str | None) -> Any:
    """What is known of a decision: its id, and its token if there is one."""
    from bandit_service.client import Choice

    if not token:
        return decision_id
    if not decision_id:
        raise typer.BadParameter(f"{option}: there is no other decision")
    try:
        return Choice(decision_id, arm="", token=base64.b64decode(token, validate=True))
    except ValueError:
        raise typer.BadParameter(f"{option}: is no base64") from None


def _compared(
    decision_id: str,
    prefer: str | None,
    other: Any,
    over: str | None,
    tie: bool,
    tie_with: str | None,
) -> Any:
    from bandit_service.client import Choice, messages

    if sum(map(bool, (prefer, over, tie, tie_with))) > 1:
        raise typer.BadParameter("give one of --prefer, --over, --tie and --tie-with")
    if prefer or over:
        return messages.preference(Choice(decision_id, arm=""), prefer, other)
    return messages.tie_between(other) if tie or tie_with else None


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"--vector: {text!r} is not numbers with commas") from None
