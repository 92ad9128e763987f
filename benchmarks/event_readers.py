"""One reader of event files, alone in its process: a child of events.py.

    python benchmarks/event_readers.py READER PATH [--verify]

Prints one line of JSON: seconds of CPU for the reading, and with `--verify` the number of values and a digest of all of
them. What only the harness needs is imported after the reading, so that the process costs what its reader costs.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Row = tuple[str, Sequence[int], Sequence[float], Sequence[float]]


def answer(rows: Iterable[Row]) -> dict[str, object]:
    """The number of values and a digest of all tags, steps, wall times and values."""
    import hashlib
    import struct

    digest, n = hashlib.sha256(), 0
    for tag, step, wall_time, value in sorted(rows, key=lambda row: row[0]):
        digest.update(tag.encode() + struct.pack(f"<{len(step)}q{2 * len(step)}d", *step, *wall_time, *value))
        n += len(step)
    return {"n": n, "digest": digest.hexdigest()[:16]}


def read_loramon(path: str) -> tuple[float, Iterable[Row]]:
    from loramon.sources.scalars import read_scalars

    began = time.process_time()
    found = read_scalars(path, keep_superseded=True)
    spent = time.process_time() - began
    return spent, ((tag, s.step.tolist(), s.wall_time.tolist(), s.value.tolist()) for tag, s in found.items())


def read_accumulator(path: str) -> tuple[float, Iterable[Row]]:
    """Its default keeps 10 000 values a tag; 0 keeps all."""
    from pathlib import Path

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    began = time.process_time()
    rows: list[Row] = []
    for folder in sorted({str(file.parent) for file in Path(path).rglob("*tfevents*")}):
        loader = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0}, purge_orphaned_data=False)
        loader.Reload()
        run = os.path.relpath(folder, path).replace(os.sep, "/")
        prefix = "" if run == "." else run + "/"
        for tag in loader.Tags()["scalars"]:
            events = loader.Scalars(tag)
            columns = [e.step for e in events], [e.wall_time for e in events], [e.value for e in events]
            rows.append((prefix + tag, *columns))
        for tag in loader.Tags()["tensors"]:
            if loader.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
                tensors = loader.Tensors(tag)
                numbers = [e.tensor_proto.float_val[0] for e in tensors]
                rows.append((prefix + tag, [e.step for e in tensors], [e.wall_time for e in tensors], numbers))
    return time.process_time() - began, rows


def read_server(path: str) -> dict[str, object]:
    """CPU of the server until its load cycle is over, and of server and client for reading every tag by gRPC."""
    import re
    import subprocess
    import tempfile
    import threading
    from pathlib import Path

    import grpc
    import tensorboard_data_server
    from tensorboard.data.proto import data_provider_pb2, data_provider_pb2_grpc

    with tempfile.TemporaryDirectory() as scratch:
        port_file = Path(scratch) / "port"
        command = [tensorboard_data_server.server_binary(), "--logdir", path, "--port", "0"]
        command += ["--port-file", str(port_file), "--reload", "once", "-vv", "--samples-per-plugin", "scalars=all"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as server:
            assert server.stderr is not None
            for line in server.stderr:
                if re.search("finished load cycle", line, re.IGNORECASE):
                    break
            load = cpu_of(server.pid)
            threading.Thread(target=server.stderr.read, daemon=True).start()  # a full pipe would stop the server
            began = time.process_time()
            channel = grpc.insecure_channel(
                f"localhost:{port_file.read_text().strip()}", options=[("grpc.max_receive_message_length", 1 << 30)]
            )
            provider = data_provider_pb2_grpc.TensorBoardDataProviderStub(channel)
            listing = data_provider_pb2.ListScalarsRequest()
            listing.plugin_filter.plugin_name = "scalars"
            rows: list[Row] = []
            for run in provider.ListScalars(listing, timeout=60).runs:
                request = data_provider_pb2.ReadScalarsRequest()
                request.plugin_filter.plugin_name = "scalars"
                request.downsample.num_points = 1 << 30
                request.run_tag_filter.runs.names.append(run.run_name)
                for entry in provider.ReadScalars(request, timeout=60).runs:
                    for tag in entry.tags:
                        prefix = "" if entry.run_name == "." else entry.run_name + "/"
                        rows.append((prefix + tag.tag_name, tag.data.step, tag.data.wall_time, tag.data.value))
            client = time.process_time() - began
            peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text())
            server.terminate()
            _, _, used = os.wait4(server.pid, 0)
            server.returncode = 0
    assert peak is not None
    spent = used.ru_utime + used.ru_stime + client
    return {"cpu_s": spent, "read_s": load, "rss_mib": int(peak[1]) / 1024, **answer(rows)}


def cpu_of(pid: int) -> float:
    """Seconds of CPU that the process has used, its ended threads included; in steps of 10 ms (proc(5), stat)."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


READERS = {"loramon": read_loramon, "EventAccumulator": read_accumulator}


def main() -> None:
    reader, path = sys.argv[1:3]
    if reader == "data-server":
        result = read_server(path)
    else:
        spent, rows = READERS[reader](path)
        result = {"read_s": spent, **(answer(rows) if "--verify" in sys.argv else {})}
    import json

    print(json.dumps(result))


if __name__ == "__main__":
    main()
