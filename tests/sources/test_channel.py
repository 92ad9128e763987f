"""The hand-over: files wait and lose nothing, telemetry drops its oldest and says so."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from loramon.events import Chunk, ProcessEvent, SourceEvent
from loramon.samples import GpuSample, HostSample
from loramon.sources.channel import ITEM_BYTES, Channel, Item


def chunk(offset: int, n_bytes: int = 1000) -> Chunk:
    return Chunk("log", offset, bytes(n_bytes))


def test_items_come_out_in_their_order_of_arrival() -> None:
    channel = Channel()
    items: list[Item] = [
        SourceEvent("log", "opened"),
        chunk(0),
        GpuSample(1.0),
        chunk(1000),
        HostSample(2.0),
        ProcessEvent("exited", pid=7, exit_code=0),
        GpuSample(3.0),
    ]
    assert all(channel.put(item) for item in items)
    assert channel.drain() == items
    assert channel.drain() == []


def test_a_drain_is_cut_by_items_and_by_bytes_and_makes_progress() -> None:
    channel = Channel()
    for i in range(4):
        channel.put(chunk(i * 1000))
    assert channel.drain(max_items=0) == []
    assert channel.drain(max_bytes=1) == [chunk(0)]
    assert channel.drain(max_bytes=1500) == [chunk(1000), chunk(2000)]
    assert channel.drain(max_items=5) == [chunk(3000)]


def test_a_full_channel_refuses_a_chunk_until_there_is_room() -> None:
    channel = Channel(capacity_bytes=2000)
    assert channel.put(chunk(0))
    assert channel.put(chunk(1000))
    assert channel.pending_bytes == 2000
    assert not channel.put(chunk(2000), timeout_s=0)
    channel.drain(max_items=1)
    assert channel.put(chunk(2000), timeout_s=0)
    assert channel.drain() == [chunk(1000), chunk(2000)]
    assert channel.pending_bytes == 0


def test_a_chunk_larger_than_the_channel_goes_in_alone() -> None:
    channel = Channel(capacity_bytes=100)
    assert channel.put(chunk(0, 5000), timeout_s=0)
    assert not channel.put(chunk(5000, 1), timeout_s=0)
    assert channel.drain() == [chunk(0, 5000)]


def test_samples_neither_wait_for_files_nor_push_them_out() -> None:
    channel = Channel(capacity_bytes=1000, telemetry_bytes=2 * ITEM_BYTES)
    channel.put(chunk(0))
    for t in range(10):
        assert channel.put(GpuSample(float(t)), timeout_s=0)
    assert channel.drain() == [
        chunk(0),
        SourceEvent("gpu", "dropped", "8", t_s=7.0),
        GpuSample(8.0),
        GpuSample(9.0),
    ]


def test_drops_are_counted_by_source_and_told_once() -> None:
    channel = Channel(telemetry_bytes=ITEM_BYTES)
    for t in range(3):
        channel.put(GpuSample(float(t)))
        channel.put(HostSample(float(t)))
    assert channel.drain() == [
        SourceEvent("gpu", "dropped", "3", t_s=2.0),
        SourceEvent("host", "dropped", "2", t_s=1.0),
        HostSample(2.0),
    ]
    channel.put(GpuSample(4.0))
    assert channel.drain() == [GpuSample(4.0)]


def test_a_process_event_gets_into_a_full_channel() -> None:
    channel = Channel(capacity_bytes=1000)
    channel.put(chunk(0))
    assert channel.put(ProcessEvent("exited", exit_code=1), timeout_s=0)
    assert channel.drain()[-1] == ProcessEvent("exited", exit_code=1)


def test_a_closed_channel_takes_nothing_and_gives_what_it_has() -> None:
    channel = Channel()
    channel.put(chunk(0))
    channel.close()
    assert channel.closed
    assert channel.wait(timeout_s=0)
    assert not channel.put(chunk(1000))
    assert not channel.put(GpuSample(0.0))
    assert channel.drain() == [chunk(0)]


def test_closing_sends_a_waiting_producer_away() -> None:
    channel = Channel(capacity_bytes=1000)
    channel.put(chunk(0))
    taken: list[bool] = []
    producer = threading.Thread(target=lambda: taken.append(channel.put(chunk(1000))), daemon=True)
    producer.start()
    channel.close()
    producer.join(30)
    assert taken == [False]


def test_waiting_ends_without_anything_when_the_time_is_up() -> None:
    assert not Channel().wait(timeout_s=0)


def test_many_producers_lose_nothing_and_keep_each_its_order() -> None:
    channel = Channel(capacity_bytes=4000)
    n_each = 300

    def produce(name: str) -> None:
        for i in range(n_each):
            assert channel.put(Chunk(name, i, bytes(600)))

    threads = [threading.Thread(target=produce, args=(name,), daemon=True) for name in "abc"]
    for thread in threads:
        thread.start()
    got: dict[str, list[int]] = {name: [] for name in "abc"}
    while sum(map(len, got.values())) < 3 * n_each:
        assert channel.wait(timeout_s=30)
        assert channel.pending_bytes <= 4000
        for item in channel.drain(max_bytes=2000):
            assert isinstance(item, Chunk)
            got[item.source].append(item.offset)
    for thread in threads:
        thread.join(30)
    assert got == {name: list(range(n_each)) for name in "abc"}


@given(st.lists(st.sampled_from(["chunk", "gpu", "host", "process", "drain"]), max_size=60), st.integers(1, 3000))
def test_of_files_all_and_of_samples_the_newest_come_out_in_order(steps: list[str], max_bytes: int) -> None:
    channel = Channel(capacity_bytes=10**6, telemetry_bytes=3 * ITEM_BYTES)
    put: list[Item] = []
    out: list[Item] = []
    for i, step in enumerate(steps):
        if step == "drain":
            out += channel.drain(max_bytes=max_bytes)
            continue
        made: dict[str, Item] = {
            "chunk": chunk(i),
            "gpu": GpuSample(float(i)),
            "host": HostSample(float(i)),
            "process": ProcessEvent("attached", pid=i),
        }
        put.append(made[step])
        channel.put(made[step])
    out += channel.drain()
    told = [item for item in out if isinstance(item, SourceEvent)]
    kept = [item for item in out if not isinstance(item, SourceEvent)]
    missing = [item for item in put if item not in kept]
    assert [item for item in put if item in kept] == kept
    assert all(isinstance(item, (GpuSample, HostSample)) for item in missing)
    assert sum(int(event.detail) for event in told) == len(missing)
