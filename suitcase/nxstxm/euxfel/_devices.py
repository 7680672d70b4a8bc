"""What a stream's devices are called, and what is known of their readings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._columns import Reading, is_array, nanoseconds
from ._names import Names, unit

#: Attributes of ours: which readings of Bluesky a dataset has, and whether its rows are parts of
#: arrays.
STREAM, KEY, SPLIT = "bluesky_stream", "bluesky_key", "bluesky_split"
#: Between a data key whose readings have channels and the channel: no data key has it.
CHANNEL = "\x1f"
#: Begins what is known of an event and is no data key, and times that the format has not as they
#: were.
OF_EVENT, TIME_OF = "\x1e", "\x1d"


class Devices:
    """The devices of a stream.

    Parameters
    ----------
    stream : str
        Its name.
    domain, safe_stream : str
        Of its sources' names: ``STXM/primary/<device>``.

    Attributes
    ----------
    declared : dict
        What descriptors say of data keys.
    config : dict
        The configuration of devices, by source and key.
    time : float or None
        When the first descriptor came, seconds since the epoch.
    """

    def __init__(self, stream: str, domain: str, safe_stream: str) -> None:
        self.declared: dict[str, Mapping[str, Any]] = {}
        self.config: dict[tuple[str, str], tuple[Reading, dict[str, Any]]] = {}
        self.time: float | None = None
        self._stream = stream
        self._home = f"{domain}/{safe_stream}"
        self._own = f"BLUESKY/{safe_stream}"
        # beside the rows of a key there are their trains, pulses and times
        self._devices, self._keys = Names(), Names("trainId", "pulseId", "timestamp")
        self._device_of: dict[str, str] = {}
        self._channels: dict[str, Names] = {}  # of each source; its first is the output

    def declare(self, descriptor: Mapping[str, Any]) -> None:
        """Note the devices of a descriptor, and their configuration."""
        for key, declared in (descriptor.get("data_keys") or {}).items():
            if not isinstance(key, str) or not isinstance(declared, Mapping):
                raise TypeError(f"data key {key!r} is declared as {declared!r:.60}")
            self.declared[key] = declared
        time = descriptor.get("time")
        if self.time is None and isinstance(time, (int, float)):
            self.time = float(time)
        for device, keys in (descriptor.get("object_keys") or {}).items():
            self._device_of |= dict.fromkeys(keys, device)
        for device, told in (descriptor.get("configuration") or {}).items():
            data, declared = told.get("data") or {}, told.get("data_keys") or {}
            times = told.get("timestamps") or {}
            for key, value in data.items():
                if is_array(value) and not np.size(value):
                    continue  # there is nothing in it
                array = np.asarray(value) if is_array(value) else value
                reading = Reading(array, nanoseconds(times.get(key, descriptor.get("time"))))
                facts = self.facts(key, declared.get(key) or {})
                # what it was when the run began; the archive has what it became
                self.config.setdefault((self._source(device), self._keys[key]), (reading, facts))

    def _source(self, device: str) -> str:
        return f"{self._home}/{self._devices[device]}"

    def source_of(self, key: str) -> str:
        """Name the source of a data key, or of a channel of one."""
        if key[:1] in (OF_EVENT, TIME_OF):
            return f"{self._own}/{'EVENTS' if key[0] == OF_EVENT else 'TIMES'}"
        return self._source(self._device_of.get(data_key(key), data_key(key)))

    def rows_of(self, key: str) -> str:
        """Name the source, with channel and group, of the rows of a data key."""
        source = self.source_of(key)
        channels = self._channels.get(source)
        if channels is None:
            channels = self._channels[source] = Names()
            channels.give(key, "output")
        return f"{source}:{channels.give(key, self.name_of(key))}/data"

    def name_of(self, key: str) -> str:
        """Name a data key, or a channel of one, in its source."""
        return self._keys[key[1:] if key[:1] in (OF_EVENT, TIME_OF) else key]

    def declaration(self, key: str) -> Mapping[str, Any]:
        """Give what a descriptor says of a data key."""
        return self.declared.get(data_key(key)) or {}

    def facts(self, key: str, declared: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Give the attributes of a data key."""
        facts: dict[str, Any] = {"displayedName": shown(key)}
        if key[:1] == OF_EVENT:
            return {**facts, STREAM: self._stream, KEY: f"#{shown(key)}"}
        if key[:1] == TIME_OF:
            return facts
        facts |= {STREAM: self._stream, KEY: shown(key)}
        if declared is None:
            declared = self.declaration(key)
            facts["alias"] = shown(key)
        units, source = declared.get("units"), declared.get("source")
        if isinstance(units, str) and units:
            known = unit(units)
            facts["unitSymbol"] = known.symbol
            if known.prefix:
                facts["metricPrefixSymbol"] = known.prefix
        if isinstance(source, str) and source:
            facts["description"] = source
        return facts

    def is_external(self, key: str) -> bool:
        """Tell whether the readings of a data key are in files."""
        external = self.declaration(key).get("external")
        return isinstance(external, str)


def data_key(key: str) -> str:
    """Give the data key of a channel: that of ``scaler/ch1`` is ``scaler``."""
    return key.partition(CHANNEL)[0] if CHANNEL in key else key


def shown(key: str) -> str:
    """Give the name of a data key, or a channel of one, as people read it."""
    return key.lstrip(OF_EVENT + TIME_OF).replace(CHANNEL, "/")
