"""Does a round for each line on standard input, with a package that QUANTAXIS' resource managers call, and
says how many seconds it took.

usage: original.py PACKAGE, with the server's URL in QA_BENCH_URL
A line is how the original calls, and how often: `each 25` connects for each operation, `kept 500` keeps a
client, `pinged 500` keeps one and pings before each operation, as the original's is_connected does. After
`silent 16` a client that is kept does nothing for so many seconds, and then the operation, whose time it is.
"""

import asyncio
import importlib.metadata
import os
import sys
import time
from urllib.parse import unquote, urlsplit

from rounds import redis_client, serve

NAME = "bench_each"
MESSAGE = bytes(457)
URL = os.environ["QA_BENCH_URL"]


class Mongo:
    """pymongo, with the pool that the original makes."""

    package = "pymongo"

    def connect(self):
        from pymongo import MongoClient

        client = MongoClient(URL, maxPoolSize=100, minPoolSize=10, maxIdleTimeMS=60_000,
                             serverSelectionTimeoutMS=5_000, waitQueueTimeoutMS=5_000)
        client.admin.command("ping")
        return client

    def ping(self, client):
        client.admin.command("ping")

    def once(self, client):
        assert client[NAME].bars.find_one({"code": "000001"})

    def close(self, client):
        client.close()


class Redis:
    """redis-py, with the pool that the original makes."""

    package = "redis"

    def connect(self):
        client = redis_client(URL)
        client.ping()
        return client

    def ping(self, client):
        client.ping()

    def once(self, client):
        assert client.get(NAME) == "buy"

    def close(self, client):
        client.connection_pool.disconnect()


class Pika:
    """pika's blocking connection and its one channel, without confirms: what the original has."""

    package = "pika"

    def connect(self):
        import pika

        parameters = pika.URLParameters(URL)
        if "heartbeat=" not in URL:
            parameters.heartbeat = 600
        connection = pika.BlockingConnection(parameters)
        return connection, connection.channel()

    def ping(self, client):
        # The original's looks at flags, and asks nobody.
        connection, channel = client
        assert connection.is_open and channel.is_open

    def once(self, client):
        import pika

        persistent = pika.BasicProperties(delivery_mode=2)
        client[1].basic_publish("", NAME, MESSAGE, persistent)

    def close(self, client):
        connection, channel = client
        channel.close()
        connection.close()


class AioPika:
    """aio-pika, whose publishes are confirmed."""

    package = "aio-pika"

    def __init__(self):
        self.loop = asyncio.new_event_loop()

    def connect(self):
        import aio_pika

        async def connect():
            connection = await aio_pika.connect_robust(URL)
            return connection, await connection.channel()

        return self.loop.run_until_complete(connect())

    def ping(self, client):
        assert not client[0].is_closed

    def once(self, client):
        import aio_pika

        mode = aio_pika.DeliveryMode.PERSISTENT
        message = aio_pika.Message(MESSAGE, delivery_mode=mode)
        publish = client[1].default_exchange.publish(message, NAME, mandatory=True)
        self.loop.run_until_complete(publish)

    def close(self, client):
        self.loop.run_until_complete(client[0].close())


class ClickHouse:
    """clickhouse-driver, with the settings of the original."""

    package = "clickhouse-driver"

    def connect(self):
        from clickhouse_driver import Client

        url = urlsplit(URL)
        settings = {"insert_block_size": 100_000_000, "max_threads": 4, "max_block_size": 65_536}
        client = Client(url.hostname, port=url.port, user=unquote(url.username),
                        password=unquote(url.password), database="default", settings=settings)
        client.execute("SELECT 1")
        return client

    def ping(self, client):
        client.execute("SELECT 1")

    def once(self, client):
        assert client.execute("SELECT 1") == [(1,)]

    def close(self, client):
        client.disconnect()


PEERS = {
    "pymongo": Mongo, "redis-py": Redis, "pika": Pika, "aio-pika": AioPika,
    "clickhouse-driver": ClickHouse,
}


class Rounds:
    """The rounds of one peer; its kept client is made for the first round that needs one."""

    def __init__(self, peer):
        self.peer = peer
        self.client = None

    def each(self, count):
        for _ in range(count):
            client = self.peer.connect()
            self.peer.once(client)
            self.peer.close(client)

    def kept(self, count):
        for _ in range(count):
            self.peer.once(self.client)

    def pinged(self, count):
        for _ in range(count):
            self.peer.ping(self.client)
            self.peer.once(self.client)

    def seconds(self, way, count):
        if way != "each" and self.client is None:
            self.client = self.peer.connect()
        if way == "silent":
            time.sleep(count)
            way, count = "kept", 1
        began = time.perf_counter()
        getattr(self, way)(count)
        return time.perf_counter() - began


def main():
    name = sys.argv[1]
    peer = PEERS[name]()
    rounds = Rounds(peer)

    def measured(line):
        way, count = line.split()
        return [rounds.seconds(way, int(count))]

    serve(f"{name} {importlib.metadata.version(peer.package)}", measured)


main()
