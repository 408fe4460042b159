"""What the scripts share: a round for each line on standard input, and the original's client of Redis."""

import sys


def serve(about, measured):
    """Says who it is, and then for each line what `measured` makes of it: numbers, the seconds first."""
    print(about, flush=True)
    for line in sys.stdin:
        try:
            print(*measured(line), flush=True)
        except Exception as error:
            text = f"{type(error).__name__} {error}".replace("\n", " ")
            print(f"error: {text}", flush=True)


def redis_client(url):
    """redis-py, with the pool that the original makes."""
    import redis

    pool = redis.ConnectionPool.from_url(
        url, max_connections=50, socket_timeout=5, socket_keepalive=True,
        decode_responses=True, health_check_interval=30)
    return redis.Redis(connection_pool=pool)
