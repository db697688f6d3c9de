"""The client: asks which arm to call, and tells how it went.

Needs grpcio and protobuf only, so that it fits beside anything; a test holds it to that.
"""

from bandit_service.client.asynchronous import AsyncClient
from bandit_service.client.blocking import Client
from bandit_service.client.errors import BanditRpcError
from bandit_service.client.meter import Meter, MeteredCall
from bandit_service.client.records import Choice, FeedbackResult, OtherCall, Usage
from bandit_service.client.timing import AsyncTimedCall, TimedCall

__all__ = [
    "AsyncClient",
    "AsyncTimedCall",
    "BanditRpcError",
    "Choice",
    "Client",
    "FeedbackResult",
    "Meter",
    "MeteredCall",
    "OtherCall",
    "TimedCall",
    "Usage",
]
