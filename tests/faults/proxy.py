"""A TCP proxy before Postgres, in a thread of its own, that fails as networks do."""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.faults.processes import free_port

REFUSE = "refuse"  # nobody listens, and what was open is reset
RESET = "reset"  # connections are accepted, and reset
BLACK_HOLE = "black hole"  # accepted, and nothing is carried: neither data nor a goodbye
SLOW = "slow"  # every piece of data is late
HALF_CLOSE = "half close"  # what the client sends arrives, the answers do not: their end is shut
MODES = (REFUSE, RESET, BLACK_HOLE, SLOW, HALF_CLOSE)

LATE = 0.05  # seconds, a piece of at most PIECE bytes
PIECE = 16_384


class Proxy:
    """Listens on a free port of this machine; carries to a Unix socket. `mode` is what it does."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._mode = ""
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._clear = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.accepted = 0
        self.port = free_port()
        self._run(self._listen())

    def fail(self, mode: str) -> None:
        self._run(self._change(mode))

    def heal(self) -> None:
        self._run(self._change(""))

    def close(self) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self._clear.set()

    async def _change(self, mode: str) -> None:
        was, self._mode = self._mode, mode
        if was == REFUSE:
            await self._listen()
        self._clear.clear() if mode == BLACK_HOLE else self._clear.set()
        if mode == REFUSE:
            self._server.close()
        if mode in (REFUSE, RESET):
            self._reset_all()
        if mode == HALF_CLOSE:
            for writer in self._writers:
                with suppress(OSError, RuntimeError):
                    writer.write_eof()

    async def _end(self) -> None:
        self._server.close()
        self._reset_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _reset_all(self) -> None:
        """Without lingering a close is a RST."""
        for writer in self._writers:
            found = writer.get_extra_info("socket")
            if found is not None:
                with suppress(OSError):
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if self._mode == RESET:
                self._reset_all()
                return
            await self._clear.wait()
            await self._connect(reader, writer)
        except asyncio.CancelledError:
            pass  # the end of the proxy, which nobody else has to hear of
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, away = await asyncio.open_unix_connection(str(self._target))
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._carry(reader, away))
                    both.create_task(self._carry(upstream, writer, is_answer=True))
            finally:
                away.close()
        except* (OSError, RuntimeError):
            pass

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_answer: bool = False
    ) -> None:
        while piece := await reader.read(PIECE):
            await self._clear.wait()
            if self._mode == SLOW:
                await asyncio.sleep(LATE)
            if self._mode == HALF_CLOSE and is_answer:
                with suppress(OSError, RuntimeError):
                    writer.write_eof()
                continue  # swallowed
            writer.write(piece)
            await writer.drain()
        writer.close()
        if not is_answer:
            raise ConnectionResetError  # the client has gone: so does the other direction
