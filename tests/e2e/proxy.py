"""A TCP relay on which the network fails when a test says so."""

import asyncio
import contextlib
import re
import threading

from servers import free_port

CHUNK = 65536
READY, IDLE = b"Z", b"I"  # PostgreSQL's ReadyForQuery, of a session that is in no transaction
NEVER = b"\0no request has this"
PARSE = re.compile(rb"P.{4}(\w+)\0([^\0]+)\0", re.DOTALL)


class Link:
    """One relayed connection."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.swallow = False  # the answers, until the transaction has ended
        self._statements = {}  # prepared ones: text by name

    def carries(self, marker, data):
        """MARKER is in DATA of the client's, or in the text of a statement that DATA executes."""
        self._statements |= dict(PARSE.findall(data))
        return marker in data or any(
            marker in text and b"\0" + name + b"\0" in data for name, text in self._statements.items())

    def close(self):
        for writer in (self.client, self.server):
            writer.transport.abort()


class Proxy:
    """Relays connections from its own `port` of 127.0.0.1 to PORT there.

    A marker is bytes of a request (an entity's id, for one), or of the statement that it executes: the
    connection that carries it is cut once.
    """

    def __init__(self, port):
        self.target, self.port = port, free_port()
        self.lost = threading.Event()  # what a marker stood for happened
        self._links, self._server = set(), None
        self._marker, self._after_commit = None, False
        self._loop = asyncio.new_event_loop()
        self._flow = asyncio.Event()
        self._flow.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.mend()

    # -- what tests say

    def hold(self):
        """No byte passes any more; connections stay, and new ones are made."""
        self._loop.call_soon_threadsafe(self._flow.clear)

    def release(self):
        self._loop.call_soon_threadsafe(self._flow.set)

    def cut(self):
        """All connections are reset; new ones are refused until `mend`."""
        self._run(self._shut())

    def mend(self):
        self._run(self._listen())

    def lose_request(self, marker):
        """The request with MARKER does not arrive, and its connection is cut."""
        self._arm(marker, False)

    def lose_answer(self, marker):
        """The transaction of the request with MARKER is committed, its answer lost, the connection cut."""
        self._arm(marker, True)

    def stop(self):
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # -- how it is done

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _arm(self, marker, after_commit):
        self.lost.clear()
        self._after_commit = after_commit
        self._marker = marker.encode()

    async def _listen(self):
        self._server = self._server or await asyncio.start_server(self._relay, "127.0.0.1", self.port)

    async def _shut(self):
        if self._server:
            self._server.close()
            self._server = None
        for link in list(self._links):
            link.close()

    async def _end(self):
        await self._shut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _relay(self, reader, writer):
        await self._flow.wait()
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        link = Link(writer, server_writer)
        self._links.add(link)
        try:
            await asyncio.wait([asyncio.ensure_future(self._up(reader, link)),
                                asyncio.ensure_future(self._down(server_reader, link))])
        finally:
            link.close()
            self._links.discard(link)

    async def _up(self, reader, link):
        tail = b""
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._flow.wait()
                marker = self._marker
                if link.carries(marker or NEVER, tail + data):
                    self._marker = None
                    if not self._after_commit:
                        self.lost.set()
                        break
                    link.swallow = True
                tail = data[-len(marker):] if marker else b""
                link.server.write(data)
        link.close()

    async def _down(self, reader, link):
        held = b""
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._flow.wait()
                if not link.swallow:
                    link.client.write(data)
                    continue
                held += data
                answer, ended, held = first_answer(held)
                if ended:
                    self.lost.set()
                    break
                link.client.write(answer)
        link.close()


def first_answer(data):
    """(whole messages up to the last ReadyForQuery, whether one says that no transaction is open, the
    rest) of a server's DATA."""
    at = passed = 0
    while len(data) >= at + 5:
        end = at + 1 + int.from_bytes(data[at + 1:at + 5], "big")
        if len(data) < end:
            break
        if data[at:at + 1] == READY:
            if data[end - 1:end] == IDLE:
                return b"", True, b""
            passed = end
        at = end
    return data[:passed], False, data[passed:]
