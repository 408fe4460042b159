"""Does a round of what QUANTAXIS does all day for each line on standard input, with a package that its
resource managers call or with the asyncio one that does the same, and says how many seconds it took.

usage: day.py PACKAGE, with the server's URL in QA_BENCH_URL
A line is what to do and how often: `ticks 2100 15000` publishes so many and waits for so many deliveries,
`rebind 200`, `market 5000`, `pipeline 50`, `list 500`, `lock 500`.
"""

import asyncio
import importlib.metadata
import os
import sys
import time

from rounds import redis_client, serve

URL = os.environ["QA_BENCH_URL"]
KEYS, LISTENERS, EACH, SIZE, PREFETCH = 70, 100, 5, 802, 64


def key(tick):
    return f"key-{tick % KEYS}"


class AioPika:
    """A connection to publish and one to listen, and a channel and a queue of its own for each listener."""

    package = "aio-pika"

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.count, self.goal, self.reached = 0, 0, asyncio.Event()
        self.loop.run_until_complete(self.listen())

    async def listen(self):
        import aio_pika

        publishing = await aio_pika.connect_robust(URL)
        self.listening = await aio_pika.connect_robust(URL)
        # Neither waits for confirms.
        channel = await publishing.channel(publisher_confirms=False)
        self.exchange = await channel.declare_exchange("ticks-aio-pika", durable=True)
        self.kept = [publishing]
        self.first = None
        for listener in range(LISTENERS):
            channel = await self.listening.channel()
            await channel.set_qos(prefetch_count=PREFETCH)
            queue = await channel.declare_queue(exclusive=True)
            for at in range(EACH):
                await queue.bind("ticks-aio-pika", key(listener * EACH + at))
            await queue.consume(self.note)
            self.kept.append((channel, queue))
            self.first = self.first or queue

    async def note(self, message):
        self.count += 1
        if self.count == self.goal:
            self.reached.set()
        await message.ack()

    async def ticks(self, count, deliveries):
        import aio_pika

        self.count, self.goal = 0, deliveries
        self.reached.clear()
        body = bytes(SIZE)
        for tick in range(count):
            await self.exchange.publish(aio_pika.Message(body), key(tick))
        await asyncio.wait_for(self.reached.wait(), 60)

    async def rebind(self, count):
        for _ in range(count):
            await self.first.bind("ticks-aio-pika", "spare")
            await self.first.unbind("ticks-aio-pika", "spare")

    async def market(self, count):
        channel = await self.listening.channel()
        queue = await channel.declare_queue(exclusive=True)
        for number in range(count):
            await queue.bind("ticks-aio-pika", f"stock-{number}")
        await queue.delete()
        await channel.close()

    def do(self, what, *counts):
        self.loop.run_until_complete(getattr(self, what)(*counts))


class Redis:
    """redis-py, with the pool that the original makes."""

    package = "redis"

    def __init__(self):
        self.client = redis_client(URL)

    def pipeline(self):
        pipeline = self.client.pipeline(transaction=False)
        for number in range(1_000):
            pipeline.set(f"signal:{number:06}", "buy", ex=300)
        pipeline.execute()

    def list(self):
        bars = [f"{minute},10.5,10.6,10.4,10.5" for minute in range(240)]
        self.client.delete("bars:600001")
        self.client.rpush("bars:600001", *bars)
        assert self.client.lrange("bars:600001", 0, -1) == bars

    def lock(self):
        lock = self.client.lock("bench-python", timeout=30)
        assert lock.acquire(blocking=False)
        lock.release()

    def do(self, what, times):
        work = getattr(self, what)
        for _ in range(times):
            work()


PEERS = {"aio-pika": AioPika, "redis-py": Redis}


def main():
    name = sys.argv[1]
    peer = PEERS[name]()

    def measured(line):
        what, *counts = line.split()
        began = time.perf_counter()
        peer.do(what, *map(int, counts))
        return [time.perf_counter() - began]

    serve(f"{name} {importlib.metadata.version(peer.package)}", measured)


main()
