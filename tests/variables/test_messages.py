"""Who watches a table is told what changes: by a function, by 0MQ, by a real broker of Kafka."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from suitcase.nxstxm import NXstxmError, export_scan
from suitcase.nxstxm.sim import all_requests, scan_documents
from suitcase.nxstxm.variables import Processor, RunTable, found_scans
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
ONE_TAGGED = '''
from suitcase.nxstxm.variables import Variable

@Variable(title="The one", tags=["first", "second"], units="mm")
def one(run):
    """Just one."""
    return 1
'''
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


def test_a_listener_that_fails_stops_no_table(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "scans").mkdir()
    export_scan(scan_documents(all_requests()["stxm-image"]), tmp_path / "scans")

    def bad(message: Message) -> None:
        raise ZeroDivisionError(message.kind)

    with RunTable.create(tmp_path / "table", context=ONE_TAGGED) as table:
        with Processor(table, timeout=60, sink=bad) as processor:
            (done,) = processor.process(found_scans([tmp_path / "scans"]))
        assert done.computed == {"one": "new"}
        assert table[1]["one"].read() == 1
    assert "a listener failed: run_values_updated" in caplog.text


def test_a_new_variable_is_told_with_all_that_damnit_asks_for(tmp_path: Path) -> None:
    """Its windows take the type of each new column, and who shows tags the tags."""
    heard: list[Message] = []
    table = RunTable.create(tmp_path / "table", context=ONE_TAGGED)
    with table, Processor(table, timeout=60, sink=heard.append) as processor:
        processor.context()
    assert [message.as_json() for message in heard] == [
        {
            "msg_kind": "variable_set",
            "data": {
                "name": "one",
                "title": "The one",
                "description": "Just one.",
                "tags": ["first", "second"],
                "attributes": {"units": "mm"},
                "type": None,
            },
        }
    ]


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


def test_zmq_publishes_for_threads_one_after_another() -> None:
    zmq = pytest.importorskip("zmq")
    sink = ZmqSink("tcp://127.0.0.1:*", "abc")
    listener = zmq.Context.instance().socket(zmq.SUB)
    listener.setsockopt(zmq.RCVTIMEO, 20_000)
    listener.setsockopt(zmq.RCVHWM, 0)
    listener.connect(sink.address)
    listener.setsockopt(zmq.SUBSCRIBE, b"")  # also what has lost its topic
    try:
        while not listener.poll(10):
            sink(processing_finished("hello"))

        def send(number: int) -> None:
            for each in range(2000):
                sink(processing_finished(f"{number}-{each}" * 20))

        with ThreadPoolExecutor(4) as pool:
            sending = [pool.submit(send, number) for number in range(4)]
            while listener.poll(300) or not all(each.done() for each in sending):
                topic, raw = listener.recv_multipart()  # of very many some are dropped
                assert topic == b"test.damnit.db-abc"
                json.loads(raw)
        assert all(each.exception() is None for each in sending)
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
