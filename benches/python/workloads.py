"""Does a round of a workload with pymongo for each line on standard input, and says how many seconds it took,
and how many documents that were. The documents are those of src/contests/workloads/data.rs.

usage: workloads.py pymongo, with the server's URL in QA_BENCH_URL
A line is a workload and the size of everything, where 1 is all of it: `kline 0.02`.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pymongo
from pymongo import MongoClient, UpdateOne
from pymongo.write_concern import WriteConcern

from rounds import serve

START, DAY = 1_514_764_800, 86_400
STOCKS, DAYS, READ, WORKERS, MINUTES, ACCOUNTS, ORDERS = 5_000, 250, 500, 8, 20_800, 100, 100
CHUNK, BATCH = 1_000, 10_000
SAFE = WriteConcern(w="majority", j=True)

client = MongoClient(os.environ["QA_BENCH_URL"], maxPoolSize=100)
workers = ThreadPoolExecutor(WORKERS)


scale = 1.0


def scaled(count):
    return max(1, round(count * scale))


def code(stock):
    return f"{stock:06}"


def date(day):
    return f"{2018 + day // 336}-{day // 28 % 12 + 1:02}-{day % 28 + 1:02}"


def day_bar(stock, day):
    price = 10.0 + stock % 90 + day % 10 / 100.0
    return {
        "code": code(stock), "date": date(day), "date_stamp": float(START + day * DAY),
        "open": price, "high": price + 0.05, "low": price - 0.05, "close": price + 0.01,
        "vol": 10_000.0, "amount": price * 10_000.0,
    }


def minute_bar(stock, at):
    bar, minute = day_bar(stock, at // 240), at % 240
    bar["datetime"] = f"{bar['date']} {9 + minute // 60:02}:{minute % 60:02}:00"
    bar["time_stamp"] = bar["date_stamp"] + (9 * 60 + minute) * 60.0
    bar["type"] = "1min"
    return bar


def account(at):
    order = {
        "instrument_id": "000001", "exchange_id": "SSE", "direction": "BUY", "offset": "OPEN",
        "volume_orign": 100.0, "volume_left": 0.0, "limit_price": 12.5, "status": "FINISHED",
        "last_msg": "all of it was traded",
    }
    names = [f"order-{number}" for number in range(ORDERS)]
    return {
        "account_cookie": f"account-{at}", "trading_day": "2018-01-02", "updatetime": "0",
        "accounts": {"balance": 1_000_000.0, "available": 500_000.0}, "positions": {},
        "orders": {name: {"order_id": name, **order} for name in names}, "trades": {},
    }


def upsert(collection, documents, key):
    collection = collection.with_options(write_concern=SAFE)
    for at in range(0, len(documents), CHUNK):
        chunk = documents[at:at + CHUNK]
        updates = [UpdateOne({k: one[k] for k in key}, {"$set": one}, upsert=True) for one in chunk]
        collection.bulk_write(updates, ordered=False)


def kline():
    bars = [day_bar(stock, day) for stock in range(scaled(STOCKS)) for day in range(stock % 5 + 1)]

    def work():
        for _ in range(2):
            upsert(client.kline.stock_day, bars, ("code", "date"))
        return 2 * len(bars)

    return work


def minutes():
    each = [[minute_bar(stock, at) for at in range(scaled(MINUTES))] for stock in range(WORKERS)]

    def insert(bars):
        client.minutes.stock_min.insert_many(bars, ordered=False)
        return len(bars)

    def work():
        # insert_many gives each an `_id`, which the next round must not have.
        return sum(workers.map(insert, each))

    def fresh():
        for bars in each:
            for bar in bars:
                bar.pop("_id", None)

    work.before = fresh
    return work


def snapshot():
    quotes = [{"code": code(n), "price": 10.0, "second": 1} for n in range(scaled(STOCKS))]

    def work():
        upsert(client.snapshot.realtime, quotes, ("code",))
        return len(quotes)

    return work


def year():
    codes = [code(stock) for stock in range(scaled(READ))]
    query = {"code": {"$in": codes}, "date": {"$gte": date(0), "$lte": date(DAYS)}}

    def work():
        found = client["range"].stock_day.find(query, batch_size=BATCH, max_time_ms=300_000)
        return sum(1 for _ in found)

    return work


def accounts():
    all_of_them = [account(at) for at in range(scaled(ACCOUNTS))]
    database = client.accounts
    stored = database.get_collection("account", write_concern=SAFE)

    def write(one):
        name = one["account_cookie"]
        stored.update_one({"account_cookie": name}, {"$set": one}, upsert=True)
        database.history.update_one({"_id": name}, {"$set": {"line": "x" * 1_000}}, upsert=True)
        return 2

    def work():
        return sum(workers.map(write, all_of_them))

    return work


MAKERS = {
    "kline": kline, "minutes": minutes, "snapshot": snapshot, "range": year, "accounts": accounts,
}


def seconds(work):
    getattr(work, "before", lambda: None)()
    began = time.perf_counter()
    count = work()
    return time.perf_counter() - began, count


made = {}


def measured(line):
    global made, scale
    name, size = line.split()
    scale = float(size)
    if line not in made:
        made = {line: MAKERS[name]()}
    return seconds(made[line])


def main():
    serve(f"pymongo {pymongo.version}", measured)


main()
