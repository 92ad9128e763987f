"""The channel: hands what the source threads find over to the one thread that applies it, bounded by bytes."""

from __future__ import annotations

import threading
from collections import deque

from loramon.events import Chunk, ProcessEvent, SourceEvent
from loramon.samples import GpuSample, HostSample

Item = Chunk | SourceEvent | GpuSample | HostSample | ProcessEvent

CAPACITY_BYTES = 8 << 20
ITEM_BYTES = 512
"""What an item without bytes of its own counts for; about what such an object takes in memory."""


class Channel:
    """A bounded queue of items in their order of arrival, for many producers and one consumer.

    Producers of files wait while `capacity_bytes` of chunks and source events are pending: their file is the buffer, so
    nothing is lost. Samples never wait: beyond `telemetry_bytes` the oldest pending sample is dropped and counted, and
    the consumer is told by a `SourceEvent` `dropped` at the place where they are missing. Process events are few and
    precious: they always get in.
    """

    def __init__(self, capacity_bytes: int = CAPACITY_BYTES, telemetry_bytes: int = CAPACITY_BYTES // 8) -> None:
        self._capacity_bytes = capacity_bytes
        self._n_samples_max = max(1, telemetry_bytes // ITEM_BYTES)
        self._changed = threading.Condition()
        self._seq = 0
        self._kept: deque[tuple[int, Item]] = deque()
        self._samples: deque[tuple[int, GpuSample | HostSample]] = deque()
        self._pending_bytes = 0
        self._dropped: dict[str, tuple[int, float]] = {}
        self._closed = False

    def put(self, item: Item, timeout_s: float | None = None) -> bool:
        """Hand `item` over. A chunk or source event waits for room, at most `timeout_s` seconds (None: for ever).

        False where the channel is closed or the time ran out: the item was not taken. A chunk larger than the whole
        capacity goes in when nothing else is pending.
        """
        with self._changed:
            if isinstance(item, (Chunk, SourceEvent)):
                size = _size(item)

                def room() -> bool:
                    pending = self._pending_bytes
                    return self._closed or pending == 0 or pending + size <= self._capacity_bytes

                if not self._changed.wait_for(room, timeout_s):
                    return False
            if self._closed:
                return False
            self._seq += 1
            if isinstance(item, (GpuSample, HostSample)):
                if len(self._samples) >= self._n_samples_max:
                    self._drop_oldest()
                self._samples.append((self._seq, item))
            else:
                self._kept.append((self._seq, item))
                self._pending_bytes += _size(item)
            self._changed.notify_all()
            return True

    def _drop_oldest(self) -> None:
        _, sample = self._samples.popleft()
        source = _source(sample)
        n, _ = self._dropped.get(source, (0, 0.0))
        self._dropped[source] = (n + 1, sample.t_s)

    def drain(self, max_items: int | None = None, max_bytes: int | None = None) -> list[Item]:
        """What is pending, in order of arrival; never waits.

        At most `max_items` items, and no further item once `max_bytes` bytes are reached; one item at least where there
        is one and `max_items` allows it. Telling of drops counts as no item; it stands before the first sample that
        was not dropped: `source` is `gpu` or `host`, `detail` the number of samples, `t_s` the time of the last.
        """
        items: list[Item] = []
        n = n_bytes = 0
        with self._changed:
            while (self._kept or self._samples) and (max_items is None or n < max_items):
                if not self._kept or (self._samples and self._samples[0][0] < self._kept[0][0]):
                    for source, (n_dropped, t_s) in sorted(self._dropped.items()):
                        items.append(SourceEvent(source, "dropped", str(n_dropped), t_s=t_s))
                    self._dropped.clear()
                    item: Item = self._samples.popleft()[1]
                else:
                    item = self._kept.popleft()[1]
                    self._pending_bytes -= _size(item)
                items.append(item)
                n += 1
                n_bytes += _size(item)
                if max_bytes is not None and n_bytes >= max_bytes:
                    break
            self._changed.notify_all()
        return items

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until something is pending or the channel is closed; False where the time ran out first."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._kept or self._samples or self._closed), timeout_s)

    def close(self) -> None:
        """Take nothing more: waiting producers are sent away; what is pending can still be drained."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """No item is taken any more."""
        with self._changed:
            return self._closed

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the consumer, samples not counted: how far the screen is behind."""
        with self._changed:
            return self._pending_bytes


def _size(item: Item) -> int:
    return len(item.data) if isinstance(item, Chunk) and len(item.data) > ITEM_BYTES else ITEM_BYTES


def _source(sample: GpuSample | HostSample) -> str:
    return "gpu" if isinstance(sample, GpuSample) else "host"
