# docker build -t bandit-service .
#
# The image listens on its own loopback until told otherwise. To be reached from outside, give
# `serve --listen 0.0.0.0:7070` with --tls-cert and --tls-key, or with --insecure on a private
# network, as docker-compose.yml does.

FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY policies policies
COPY migrations migrations
COPY bandit_service bandit_service
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .
RUN python -m venv /opt/bandit \
 && /opt/bandit/bin/pip install --no-cache-dir /wheels/bandit_service-*.whl

FROM python:3.13-slim
COPY --from=build /opt/bandit /opt/bandit
ENV PATH=/opt/bandit/bin:$PATH \
    PYTHONUNBUFFERED=1
RUN useradd --system --uid 10001 --no-create-home --home-dir /data bandit \
 && install --directory --owner=bandit --mode=0700 /data
USER bandit
# Without another database the service keeps ./bandit.db, so it is in this volume.
WORKDIR /data
VOLUME /data
EXPOSE 7070 7090

# Plaintext on loopback: a server with TLS needs a check of its own.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import grpc; from grpc_health.v1 import health_pb2 as pb, health_pb2_grpc as rpc; answer = rpc.HealthStub(grpc.insecure_channel('127.0.0.1:7070')).Check(pb.HealthCheckRequest(), timeout=2); raise SystemExit(answer.status != pb.HealthCheckResponse.SERVING)"]

STOPSIGNAL SIGTERM
ENTRYPOINT ["bandit-service"]
CMD ["serve"]
