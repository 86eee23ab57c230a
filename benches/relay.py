"""A relay on loopback that makes each connection as slow as a far server's: a rate by token bucket, and a delay."""
import asyncio
import socket
import threading

CHUNK = 16 << 10
BURST = 64 << 10


class Relay:
    """To `upstream` (host:port), no faster than `rate` bytes a second on a connection towards the client, half of
    `round_trip` seconds later each way. Every `lame`-th connection has a twentieth of the rate (0 = none)."""

    def __init__(self, upstream, rate, round_trip, lame=0):
        self.upstream = upstream.rsplit(":", 1)
        self.rate, self.round_trip, self.lame = rate, round_trip, lame
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.connections = 0
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)

    async def serve(self):
        self.loop, self.over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self.connect, sock=self.socket)
        await self.over.wait()
        server.close()

    async def connect(self, reader, writer):
        self.connections += 1
        rate = self.rate / (20 if self.lame and self.connections % self.lame == 0 else 1)
        # What a handshake costs.
        await asyncio.sleep(self.round_trip)
        try:
            there, back = await asyncio.open_connection(*self.upstream)
            await asyncio.gather(self.pump(reader, back, None), self.pump(there, writer, rate), return_exceptions=True)
        except asyncio.CancelledError:
            pass  # The relay ends before who uses it.
        finally:
            writer.close()

    async def pump(self, source, sink, rate):
        """Hands on what comes, each piece half a round trip later; as much waits as fits on such a line."""
        line = asyncio.Queue(8 + int((rate or 0) * self.round_trip / CHUNK))

        async def arrive():
            while data := await source.read(CHUNK):
                await line.put((self.loop.time() + self.round_trip / 2, data))
            await line.put((0, b""))

        arriving = asyncio.ensure_future(arrive())
        tokens, filled = BURST, self.loop.time()
        try:
            while True:
                due, data = await line.get()
                if not data:
                    return
                await asyncio.sleep(max(0, due - self.loop.time()))
                if rate:
                    now = self.loop.time()
                    tokens, filled = min(BURST, tokens + (now - filled) * rate) - len(data), now
                    await asyncio.sleep(max(0, -tokens / rate))
                sink.write(data)
                await sink.drain()
        finally:
            arriving.cancel()
            sink.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.over.set)
        self.thread.join(10)
