"""Decides about each transaction as Pawl's fraud pipeline does, with Quix Streams exactly once.

velocity.py BROKERS GROUP STATE-DIR INPUT OUTPUT COMMIT-MS SCHEMA-ID SPAN-MS GRACE-MS DISORDER-MS
MAX-COUNT MAX-TOTAL

It has no limits of a user's own and no dead letters: it reads a sound topic. A user's state is the
transactions that a later decision can need, by time: all times, then all cents, as 64 bit numbers.
"""

import sys
from array import array
from bisect import bisect_right
from io import BytesIO

from fastavro import parse_schema, schemaless_reader
from quixstreams import Application, message_context

(BROKERS, GROUP, DIR, INPUT, OUTPUT) = sys.argv[1:6]
(COMMIT, SCHEMA, SPAN, GRACE, DISORDER, MAX_COUNT, MAX_TOTAL) = map(int, sys.argv[6:13])
HEADER = b"\0" + SCHEMA.to_bytes(4, "big")
INT_MAX = 2**31 - 1

TRANSACTION = parse_schema({
    "type": "record", "name": "Transaction", "fields": [
        {"name": "transaction_id", "type": "string"}, {"name": "user_id", "type": "string"},
        {"name": "amount_cents", "type": "long"}, {"name": "timestamp", "type": "long"},
        {"name": "merchant", "type": "string"}]})

watermarks = {}  # of each partition


def number(n):
    """A number as Avro writes it."""
    n = n << 1 ^ n >> 63
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def text(s):
    b = s.encode()
    return number(len(b)) + b


def judge(value, key, timestamp, headers, state):
    """The decision and its time, or nothing for a transaction that comes too late."""
    tx = schemaless_reader(BytesIO(value[5:]), TRANSACTION)
    at, cents = tx["timestamp"], tx["amount_cents"]
    partition = message_context().partition
    watermark = watermarks.get(partition)
    if watermark is not None and at < watermark - GRACE:
        return None
    watermark = at - DISORDER if watermark is None else max(watermark, at - DISORDER)
    watermarks[partition] = watermark

    times, amounts = array("q"), array("q")
    old = state.get_bytes("w")
    if old:
        half = len(old) // 2
        times.frombytes(old[:half])
        amounts.frombytes(old[half:])
        gone = bisect_right(times, watermark - GRACE - SPAN)
        if gone:
            del times[:gone]
            del amounts[:gone]
    place = bisect_right(times, at)
    times.insert(place, at)
    amounts.insert(place, cents)
    state.set_bytes("w", times.tobytes() + amounts.tobytes())

    first = bisect_right(times, at - SPAN)
    count, total = place + 1 - first, sum(amounts[first:place + 1])
    many, much = count > MAX_COUNT, total > MAX_TOTAL
    reason = (3 if much else 1) if many else (2 if much else 0)
    return b"".join((HEADER, text(tx["transaction_id"]), text(tx["user_id"]),
                     b"\1" if reason else b"\0", number(min(count, INT_MAX)), number(total),
                     number(reason))), at


def main():
    app = Application(
        broker_address=BROKERS, consumer_group=GROUP, state_dir=DIR, auto_offset_reset="earliest",
        commit_interval=COMMIT / 1000, processing_guarantee="exactly-once", loglevel="WARNING",
        consumer_poll_timeout=0.05, auto_create_topics=True,
        consumer_extra_config={"fetch.wait.max.ms": 20, "queued.min.messages": 20000},
        producer_extra_config={"linger.ms": 5, "compression.type": "lz4"})
    source = app.topic(INPUT, value_deserializer="bytes", key_deserializer="bytes")
    sink = app.topic(OUTPUT, value_serializer="bytes", key_serializer="bytes")
    frame = app.dataframe(source).apply(judge, stateful=True, metadata=True)
    frame = frame.filter(lambda answer: answer is not None)
    frame = frame.set_timestamp(lambda answer, key, timestamp, headers: answer[1])
    frame.apply(lambda answer: answer[0]).to_topic(sink)
    app.run()


main()
