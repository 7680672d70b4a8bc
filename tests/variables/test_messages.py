"""Who watches a table is told what changes: by a function, by 0MQ, by a real broker of Kafka."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from suitcase.nxstxm import NXstxmError
from suitcase.nxstxm.variables._messages import (
    CallbackSink,
    KafkaSink,
    Message,
    Sinks,
    ZmqSink,
    new_processing_id,
    processing_finished,
    processing_state_set,
    run_values_updated,
    sink_of,
    variable_set,
)

ONE = new_processing_id()
MESSAGES = [
    variable_set("mean", "Mean", "The mean", None),
    processing_state_set(ONE, 900, 3, "RUNNING", hostname="here"),
    run_values_updated(900, 3, ["mean", "ü'\"<"]),
    processing_finished(ONE),
]


def test_messages_are_json_and_come_back() -> None:
    for message in MESSAGES:
        made = json.loads(json.dumps(message.as_json()))
        assert set(made) == {"msg_kind", "data"}
        assert Message.of_json(made) == message
    assert MESSAGES[2].data["values"] == {"mean": None, "ü'\"<": None}
    assert MESSAGES[1].data["status"] == "RUNNING"


def test_a_listener_that_fails_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Message] = []

    def bad(message: Message) -> None:
        raise ZeroDivisionError(message.kind)

    sinks = Sinks(bad, None, heard.append, CallbackSink(heard.append))
    for message in MESSAGES:
        sinks(message)
    sinks.close()
    assert len(heard) == 2 * len(MESSAGES)
    assert "a listener failed: variable_set" in caplog.text


def test_the_environment_names_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NXSTXM_BROKER", "AMORE_BROKER"):
        monkeypatch.delenv(name, raising=False)
    assert sink_of(None, "x") is None
    assert sink_of("none", "x") is None
    assert sink_of("None", "x") is None
    monkeypatch.setenv("AMORE_BROKER", "tcp://127.0.0.1:*")
    monkeypatch.setenv("NXSTXM_BROKER", "none")
    assert sink_of(None, "x") is None  # ours comes first
    monkeypatch.delenv("NXSTXM_BROKER")
    pytest.importorskip("zmq")
    sink = sink_of(None, "x")
    assert isinstance(sink, ZmqSink)
    sink.close()


def test_zmq_publishes(monkeypatch: pytest.MonkeyPatch) -> None:
    zmq = pytest.importorskip("zmq")
    monkeypatch.delenv("NXSTXM_BROKER", raising=False)
    sink = ZmqSink("tcp://127.0.0.1:*", "abc")
    listener = zmq.Context.instance().socket(zmq.SUB)
    listener.setsockopt(zmq.RCVTIMEO, 20_000)
    listener.connect(sink.address)
    listener.setsockopt_string(zmq.SUBSCRIBE, "test.damnit.db-abc")
    try:
        while not listener.poll(10):  # until it is connected
            sink(processing_finished("hello"))
        for message in MESSAGES:
            sink(message)
        heard: list[Message] = []
        while len(heard) < len(MESSAGES):
            topic, raw = listener.recv_multipart()
            assert topic == b"test.damnit.db-abc"
            message = Message.of_json(json.loads(raw))
            if message != processing_finished("hello"):
                heard.append(message)
        assert heard == MESSAGES
    finally:
        listener.close(0)
        sink.close()


@pytest.fixture
def broker() -> Iterator[str]:
    """Give the address of a broker that lives as long as the producer that has it."""
    kafka = pytest.importorskip("confluent_kafka")
    producer = kafka.Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1})
    (found,) = producer.list_topics(timeout=20).brokers.values()
    yield f"{found.host}:{found.port}"
    producer.flush(1)


def test_kafka_has_what_was_sent(broker: str) -> None:
    kafka = pytest.importorskip("confluent_kafka")
    sink = sink_of(broker, "abc")
    assert isinstance(sink, KafkaSink)
    for message in MESSAGES:
        sink(message)
    sink.close()
    consumer = kafka.Consumer({"bootstrap.servers": broker, "group.id": "test"})
    try:
        topic = "test.damnit.db-abc"
        partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
        consumer.assign([kafka.TopicPartition(topic, number, 0) for number in partitions])
        heard: list[Message] = []
        deadline = time.monotonic() + 60
        while len(heard) < len(MESSAGES) and time.monotonic() < deadline:
            got = consumer.poll(1.0)
            if got is not None and got.error() is None:
                heard.append(Message.of_json(json.loads(got.value())))
        assert sorted(heard, key=lambda m: m.kind) == sorted(MESSAGES, key=lambda m: m.kind)
    finally:
        consumer.close()


def test_a_broker_that_is_not_there_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("confluent_kafka")
    sink = sink_of("127.0.0.1:9", "abc")
    assert sink is not None
    sink(MESSAGES[0])
    sink.close()
    assert "were not sent" in caplog.text


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(NXstxmError, match=r"suitcase-nxstxm\[kafka\]"):
        sink_of("localhost:9092", "x")
    monkeypatch.setitem(sys.modules, "zmq", None)
    with pytest.raises(NXstxmError, match="needs pyzmq"):
        sink_of("tcp://127.0.0.1:*", "x")
