"""Sends lines of JSON from standard input, each under the ICCID that it names.

    lines.py BROKERS TOPIC

Prints how many messages the broker has acknowledged.
"""

import json
import sys

from confluent_kafka import Producer


def main():
    brokers, topic = sys.argv[1:]
    failed, sent = [], 0
    producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True})

    def delivered(error, _):
        if error is not None:
            failed.append(error)

    for line in sys.stdin:
        producer.produce(topic, key=json.loads(line)["iccid"], value=line, on_delivery=delivered)
        producer.poll(0)
        sent += 1
    if producer.flush(60) or failed:
        sys.exit(f"not delivered: {failed}")
    print(sent)


if __name__ == "__main__":
    main()
