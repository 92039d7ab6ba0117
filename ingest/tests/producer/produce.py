"""Sends session rollups as somebody would who knows nothing of Simcube but its contract.

    produce.py BROKERS TOPIC ICCID DAY

DAY is the day that the examples are of, YYYY-MM-DD. Prints how many messages the broker has acknowledged.
"""

import json
import sys
from datetime import datetime, timedelta, timezone

from confluent_kafka import Producer

DEUTSCHE_TELEKOM, VODAFONE = "26201", "26202"


def rollup(iccid, session, at, total, network=VODAFONE, request="UPDATE"):
    return {
        "session_id": session,
        "iccid": iccid,
        "event_timestamp": at.isoformat(),
        "mcc_mnc": network,
        "radio_access_type": "6",
        "ip_address": "10.20.30.40",
        "total_bytes_in": total,
        "total_bytes_out": 2 * total,
        "request_type": request,
        "cell_id": "26202-17-4711",
    }


def examples(iccid, midnight):
    """Each session as a list, in the order in which it is sent."""

    def at(minutes):
        return midnight + timedelta(minutes=minutes)

    def of(session, *rollups):
        return [rollup(iccid, session, *it[:2], **(it[2] if len(it) > 2 else {})) for it in rollups]

    ends = {"request": "TERMINATE"}
    yield of("totals", (at(60), 100), (at(65), 250), (at(70), 400))
    # The last one is older than the end, and reopens nothing.
    yield of("ended", (at(60), 10), (at(65), 20), (at(75), 30, ends), (at(70), 25))
    yield of("night", (at(-5), 100), (at(0), 250), (at(5), 400))
    yield of("reset", (at(60), 400), (at(65), 50))
    yield of("roaming", (at(60), 100, {"network": DEUTSCHE_TELEKOM}), (at(65), 250))
    # Late, and each of them twice.
    late = of("late", (at(60), 100), (at(65), 250), (at(70), 400))
    yield [late[2], late[0], late[1], late[0], late[2], late[1]]


def main():
    brokers, topic, iccid, day = sys.argv[1:]
    midnight = datetime.fromisoformat(day).replace(tzinfo=timezone.utc)
    failed, sent = [], 0
    producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True})

    def delivered(error, _):
        if error is not None:
            failed.append(error)

    for session in examples(iccid, midnight):
        for event in session:
            producer.produce(topic, key=iccid, value=json.dumps(event), on_delivery=delivered)
            sent += 1
    if producer.flush(60) or failed:
        sys.exit(f"not delivered: {failed}")
    print(sent)


if __name__ == "__main__":
    main()
