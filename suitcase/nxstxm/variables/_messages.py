"""What is told while a table is filled: messages of DAMNIT's kinds, and where they go.

Each names what it is of, so that one that comes twice, or late, does no harm.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import uuid4

from .._errors import OptionError
from .._log import logger

Kind = Literal["variable_set", "run_values_updated", "processing_state_set", "processing_finished"]
#: Where messages of a table go, by its id.
TOPIC = "test.damnit.db-{}"
_BROKERS = ("NXSTXM_BROKER", "AMORE_BROKER")
_TRY = 5.0  # seconds that the end of a program may wait for a broker


@dataclass(frozen=True)
class Message:
    """Something that has changed.

    Attributes
    ----------
    kind : str
        ``"variable_set"``, ``"run_values_updated"``, ``"processing_state_set"`` or
        ``"processing_finished"``.
    data : Mapping
        What, of values that JSON has.
    """

    kind: Kind
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Give it as it is sent."""
        return {"msg_kind": self.kind, "data": dict(self.data)}

    @classmethod
    def of_json(cls, made: Mapping[str, Any]) -> Message:
        """Undo `as_json`."""
        return cls(made["msg_kind"], made.get("data", {}))


def variable_set(
    name: str,
    title: str,
    description: str | None,
    attributes: Any,
    tags: Iterable[str] = (),
    type_name: str | None = None,
) -> Message:
    """Say that there is a variable, or that what is said of it has changed.

    Parameters
    ----------
    name, title : str
        The variable.
    description : str, optional
        What it is.
    attributes : object
        What else is known of it, as JSON has it.
    tags : iterable of str
        Its tags.
    type_name : str, optional
        What users may write into it; None where it is computed.
    """
    return Message(
        "variable_set",
        {
            "name": name,
            "title": title,
            "description": description,
            "tags": list(tags),
            "attributes": attributes,
            "type": type_name,
        },
    )


def run_values_updated(proposal: int, run: int, names: list[str]) -> Message:
    """Say that values of a run have changed."""
    values = dict.fromkeys(names)  # whoever wants them reads them
    return Message("run_values_updated", {"proposal": proposal, "run": run, "values": values})


def processing_state_set(
    processing_id: str, proposal: int, run: int, status: str, **more: Any
) -> Message:
    """Say that a run is waiting for its turn (``PENDING``), or is processed (``RUNNING``)."""
    return Message(
        "processing_state_set",
        {
            "processing_id": processing_id,
            "proposal": proposal,
            "run": run,
            "data": "all",
            "hostname": more.pop("hostname", ""),
            "username": more.pop("username", ""),
            "slurm_cluster": None,
            "slurm_job_id": "",
            "status": status,
            **more,
        },
    )


def processing_finished(processing_id: str) -> Message:
    """Say that a run was processed, whatever became of it."""
    return Message("processing_finished", {"processing_id": processing_id})


def new_processing_id() -> str:
    """Name one processing of one run."""
    return str(uuid4())


# -- where they go ---------------------------------------------------------------------------------


class Sink(Protocol):
    """What takes messages; it must neither wait nor raise."""

    def __call__(self, message: Message) -> None:
        """Take a message."""

    def close(self) -> None:
        """Send what is left, and end."""


class CallbackSink:
    """Gives messages to a function, whose errors are logged and do no more harm.

    Parameters
    ----------
    function : callable
        Takes a `Message`.
    """

    def __init__(self, function: Callable[[Message], Any]) -> None:
        self._function = function

    def __call__(self, message: Message) -> None:
        """Call the function."""
        try:
            self._function(message)
        except Exception as error:  # noqa: BLE001 - whoever listens must not stop the table
            logger.warning("a listener failed: %s", error, exc_info=True)

    def close(self) -> None:
        """Do nothing."""


class KafkaSink:
    """Sends messages to a Kafka broker, in the background.

    Parameters
    ----------
    broker : str
        ``host:port``.
    db_id : str
        The table's id, of which the topic is made.

    Raises
    ------
    OptionError
        confluent-kafka is not installed.
    """

    def __init__(self, broker: str, db_id: str) -> None:
        try:
            from confluent_kafka import KafkaException, Producer
        except ImportError as error:
            raise OptionError(
                f"broker {broker!r} needs confluent-kafka ({error}): "
                f"pip install 'suitcase-nxstxm[kafka]', or set the broker to 'none'"
            ) from error
        self.topic = TOPIC.format(db_id)
        self._errors = (BufferError, RuntimeError, KafkaException)
        self._producer = Producer({"bootstrap.servers": broker, "message.timeout.ms": 30_000})

    def __call__(self, message: Message) -> None:
        """Hand it over; it is sent by a thread."""
        raw = json.dumps(message.as_json()).encode()
        try:
            self._producer.produce(self.topic, raw, on_delivery=_delivered)
            self._producer.poll(0)
        except self._errors as error:  # it is too large, or too many wait
            logger.warning("a message could not be sent: %s", error)

    def close(self) -> None:
        """Wait some seconds for what is on its way."""
        left = self._producer.flush(_TRY)
        if left:
            logger.warning("%d messages were not sent: the broker does not answer", left)


def _delivered(error: Any, message: Any) -> None:  # noqa: ARG001 - as Kafka calls it
    if error is not None:
        logger.warning("a message could not be sent: %s", error)


class ZmqSink:
    """Publishes messages by 0MQ; whoever listens gets those that come while it does.

    Parameters
    ----------
    address : str
        What to bind: ``tcp://127.0.0.1:*``.
    db_id : str
        The table's id, of which the topic is made.

    Attributes
    ----------
    address : str
        What it was bound to.

    Raises
    ------
    OptionError
        pyzmq is not installed.
    """

    def __init__(self, address: str, db_id: str) -> None:
        try:
            import zmq
        except ImportError as error:
            raise OptionError(
                f"address {address!r} needs pyzmq ({error}): pip install pyzmq"
            ) from error
        self.topic = TOPIC.format(db_id)
        self._lock = threading.Lock()  # a socket is for one thread at a time
        self._socket: Any = zmq.Context.instance().socket(zmq.PUB)
        self._socket.setsockopt(zmq.LINGER, int(_TRY * 1000))
        self._socket.bind(address)
        self.address: str = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def __call__(self, message: Message) -> None:
        """Publish it."""
        raw = json.dumps(message.as_json()).encode()
        with self._lock:
            if not self._socket.closed:
                self._socket.send_multipart([self.topic.encode(), raw])

    def close(self) -> None:
        """Close the socket."""
        with self._lock:
            self._socket.close()


def sink_of(broker: str | None, db_id: str) -> Sink | None:
    """Give what sends messages to a broker.

    Parameters
    ----------
    broker : str, optional
        ``host:port`` of Kafka, ``tcp://...`` for 0MQ, or ``"none"``. By default what the variable
        ``NXSTXM_BROKER`` of the environment says, or ``AMORE_BROKER``.
    db_id : str
        The table's id.

    Returns
    -------
    Sink, optional
        None for no broker: everything works without.

    Raises
    ------
    OptionError
        What it needs is not installed.
    """
    if broker is None:
        broker = next((os.environ[name] for name in _BROKERS if os.environ.get(name)), "none")
    if broker.lower() in ("", "none"):
        return None
    return ZmqSink(broker, db_id) if "://" in broker else KafkaSink(broker, db_id)


class Sinks:
    """Several sinks as one; one that fails does not stop the others.

    Parameters
    ----------
    sinks : iterable of Sink or callable
        The sinks; of a function one is made.
    """

    def __init__(self, *sinks: Any) -> None:
        made = [each if hasattr(each, "close") else CallbackSink(each) for each in sinks if each]
        self._sinks: list[Sink] = made

    def __call__(self, message: Message) -> None:
        """Give a message to each."""
        for sink in self._sinks:
            try:
                sink(message)
            except Exception as error:  # noqa: BLE001 - of whatever broker it is
                logger.warning("a message could not be sent: %s", error)

    def close(self) -> None:
        """Close each."""
        for sink in self._sinks:
            sink.close()
