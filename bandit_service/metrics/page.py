"""What Prometheus reads: a page of numbers, on a port and threads of its own.

It has no part in serving. A reader that hangs holds one of a few threads until its time is
up; a page that cannot be made is an error of that page.
"""

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

log = logging.getLogger(__name__)

MOST_READERS = 8
READER_SECONDS = 10.0
LOOK_SECONDS = 0.1  # how often the thread looks whether it is to stop


class MetricsRefused(ValueError):
    """The page cannot be where it was told to be."""


class Page:
    """Serves /metrics and /healthz from `start` to `stop`; holds its port from the beginning.

    listen    host:port, [IPv6]:port; port 0 takes a free one
    is_alive  what /healthz says: 200 or 503

    Raises MetricsRefused, in one sentence for the operator.
    """

    def __init__(
        self, listen: str, registry: CollectorRegistry, is_alive: Callable[[], bool]
    ) -> None:
        host, _, port = listen.rpartition(":")
        try:
            self._server = _Server((host.strip("[]"), int(port)), _Readable(registry), is_alive)
        except OSError as error:
            raise MetricsRefused(
                f"cannot show metrics on {listen}: it is in use, or no address of this machine"
            ) from error
        self.address = f"{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(LOOK_SECONDS,), name="metrics", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Waits for nobody who reads."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingMixIn, TCPServer):
    allow_reuse_address = True  # after a restart; two at once it does not allow
    allow_reuse_port = False
    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], shown: Collector, is_alive: Callable[[], bool]
    ) -> None:
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family = found[0][0]
        self.shown = shown
        self.is_alive = is_alive
        self._readers = threading.BoundedSemaphore(MOST_READERS)
        super().__init__(address, _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is a thread for one more; otherwise the connection is closed."""
        return self._readers.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._readers.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a reader of the metrics went away")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = READER_SECONDS
    server_version, sys_version = "bandit-service", ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, kind = choose_encoder(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, kind, encode(self.server.shown))
        elif path == "/healthz":
            is_alive = self.server.is_alive()
            status = HTTPStatus.OK if is_alive else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, "text/plain", b"ok\n" if is_alive else b"the event loop hangs\n")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics or /healthz\n")

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Readers come every few seconds; that is no news."""


class _Readable(Collector):
    """Without the times at which series began: they would double the page, and few read them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        for family in self._registry.collect():
            family.samples = [one for one in family.samples if not one.name.endswith("_created")]
            yield family
