"""The reference of the wire benchmarks: a grpc.aio server that does nothing.

`python -m benchmarks.echo` prints the port it listens on and serves until it is ended.
It takes and returns the bytes of the service's own messages, so that both sides move as much.
"""

import grpc
import uvloop

from bandit_service.rpc.pb import routing_pb2 as pb

METHOD = "/bandit.v1.RoutingService/Route"
ANSWER = pb.RouteResponse(
    decision_id="0192f0c5-7c3a-7c3a-8c3a-1234567890ab",
    arm="arm-3",
    propensity=0.25,
    policy_revision=1,
    position=1000,
)


async def echo(request: pb.RouteRequest, context: object) -> pb.RouteResponse:
    return ANSWER


async def main() -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    method = grpc.unary_unary_rpc_method_handler(
        echo,
        request_deserializer=pb.RouteRequest.FromString,
        response_serializer=pb.RouteResponse.SerializeToString,
    )
    service, name = METHOD.strip("/").split("/")
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {name: method}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main())
