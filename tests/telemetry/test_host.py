"""The host, its control groups and the run's processes, with processes that really run and folders shaped like the kernel's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loramon.clock import SystemClock
from loramon.samples import HostSample
from loramon.sources.cgroup import GroupMemory, MemoryGroups
from loramon.sources.host import HostSampler, Rates
from loramon.sources.process_tree import ProcTree, PsutilTree, Tree
from loramon.sources.run_processes import RunProcesses, environment_of, writers_of

PATIENCE_S = 10.0
needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="there is no /proc here")

WORKS = """
import os, sys, threading, subprocess, time
child = subprocess.Popen([sys.executable, "-c", "import time\\nx = bytearray(30 << 20)\\nprint('up', flush=True)\\ntime.sleep(60)"])
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
file = open(sys.argv[1], "wb", buffering=0)
end = time.monotonic() + 60
while time.monotonic() < end:
    file.write(b"x" * 65536); file.seek(0)
"""


def until(found: Callable[[], object]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not found():
        assert time.monotonic() < end_s
        time.sleep(0.01)


@pytest.fixture
def job(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that works on one core, writes, has a second thread and a child that holds 30 MiB."""
    environ = {**os.environ, "CUDA_VISIBLE_DEVICES": "1"}
    with subprocess.Popen([sys.executable, "-c", WORKS, str(tmp_path / "written")], stdout=subprocess.PIPE, env=environ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        yield process
        for pid in tree_of(process.pid).pids:
            os.kill(pid, 9)


def tree_of(pid: int) -> Tree:
    tree = ProcTree() if os.path.exists("/proc/self/task") else PsutilTree()
    tree.walk([pid])
    return tree


@pytest.mark.parametrize("make", [pytest.param(ProcTree, marks=needs_proc), PsutilTree])
def test_a_tree_is_the_process_and_what_it_started(job: subprocess.Popen[bytes], make: Callable[[], Tree]) -> None:
    tree = make()
    tree.walk([job.pid])
    first = tree.read()
    assert first.n_processes == 2 == len(tree.pids) and first.n_threads >= 3 and first.rss_bytes > 40 << 20
    until(lambda: tree.read().cpu_s[job.pid] > first.cpu_s[job.pid] + 0.05)
    assert tree.read().write_bytes[job.pid] > first.write_bytes[job.pid]
    tree.close()


@needs_proc
def test_a_process_whose_parent_has_gone_still_belongs_and_one_that_ended_does_not(job: subprocess.Popen[bytes]) -> None:
    tree = ProcTree()
    tree.walk([job.pid])
    (child,) = tree.pids - {job.pid}
    job.kill()
    job.wait()
    until(lambda: tree.read().n_processes == 1)
    tree.walk([job.pid])
    assert tree.pids == {child}
    os.kill(child, 9)
    until(lambda: tree.read().n_processes == 0)
    assert tree.pids == frozenset()


def test_a_kernel_that_lists_no_children_is_asked_for_parents(tmp_path: Path) -> None:
    for pid, parent in ((10, 1), (11, 10), (12, 11), (13, 1)):
        folder = tmp_path / str(pid)
        (folder / "task" / str(pid)).mkdir(parents=True)
        (folder / "stat").write_text(f"{pid} (py (th) on) S {parent} " + " ".join("1" for _ in range(40)))
    tree = ProcTree(tmp_path)
    tree.walk([10])
    assert tree.pids == {10, 11, 12}
    tree.close()


def test_the_host_and_the_run_are_read_together(job: subprocess.Popen[bytes], tmp_path: Path) -> None:
    run = RunProcesses(lambda: [job.pid])
    sampler = HostSampler(SystemClock(), run, tmp_path)
    sampler.open()
    list(sampler.sample(time.time()))
    time.sleep(0.3)
    (sample,) = (s for s in sampler.sample(time.time()) if isinstance(s, HostSample))
    sampler.close()
    assert sample.memory_total_bytes and sample.memory_used_bytes and 0 < sample.memory_used_bytes < sample.memory_total_bytes
    assert sample.disk_free_bytes and sample.n_cpus and sample.cpu_pct is not None
    assert run.pids >= {job.pid} and sample.job_n_processes == 2 and (sample.job_rss_bytes or 0) > 40 << 20
    assert (sample.job_cpu_pct or 0) >= (sample.job_cpu_max_pct or 0) > 10
    if os.path.exists("/proc/self/io"):
        assert (sample.job_write_bytes_per_s or 0) > 1 << 20


def test_without_a_run_there_are_no_figures_of_one(tmp_path: Path) -> None:
    sampler = HostSampler(SystemClock(), RunProcesses(lambda: ()), tmp_path)
    sampler.open()
    (sample,) = (s for s in sampler.sample(time.time()) if isinstance(s, HostSample))
    assert sample.memory_total_bytes and (sample.job_rss_bytes, sample.job_n_processes) == (None, None)


def test_a_counter_that_was_set_back_is_no_rate() -> None:
    rates = Rates()
    said = []
    for t_s, value in ((0.0, 100.0), (2.0, 300.0), (3.0, 50.0), (4.0, 60.0)):
        rates.begin(t_s)
        said.append(rates.of({"x": value}))
    assert said == [{}, {"x": 100}, {}, {"x": 10}]


@needs_proc
def test_the_run_of_a_log_is_known_by_who_writes_to_it(job: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert writers_of([tmp_path / "written"]) == [job.pid]
    with open(tmp_path / "written", "rb"):  # who only reads it, as we do, is none
        assert writers_of([tmp_path / "written", tmp_path / "nowhere"]) == [job.pid]
    environ = environment_of(job.pid)
    assert environ is not None and environ["CUDA_VISIBLE_DEVICES"] == "1"
    assert environment_of(1 << 22) is None


@needs_proc
def test_behind_a_tee_the_run_is_who_writes_into_it(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    command = f"{sys.executable} -c 'import time; print(1, flush=True); time.sleep(60)' | tee {log} > /dev/null"
    with subprocess.Popen(["sh", "-c", command], start_new_session=True) as shell:
        try:
            until(lambda: log.exists() and log.read_bytes())
            names = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in writers_of([log])}
            assert "tee" in names and any(name.startswith("python") for name in names)
        finally:
            os.killpg(shell.pid, 9)


class TestControlGroups:
    def test_the_smallest_limit_above_a_process_counts(self, tmp_path: Path) -> None:
        group = tmp_path / "cg" / "user.slice" / "job.scope"
        group.mkdir(parents=True)
        for folder, limit, used in ((group, "max", 3), (group.parent, "64000000000", 40_000_000_000), (tmp_path / "cg", None, 0)):
            (folder / "cgroup.procs").touch()
            if limit is not None:
                (folder / "memory.max").write_text(limit + "\n")
                (folder / "memory.current").write_text(f"{used}\n")
        (group / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 2\noom_kill 1\noom_group_kill 0\n")
        (tmp_path / "7").mkdir()
        (tmp_path / "7" / "cgroup").write_text("0::/user.slice/job.scope\n")
        assert MemoryGroups(7, tmp_path, tmp_path / "cg").read() == GroupMemory(40_000_000_000, 64_000_000_000, 1)

    def test_the_first_version_keeps_memory_apart(self, tmp_path: Path) -> None:
        group = tmp_path / "cg" / "memory" / "docker" / "abc"
        group.mkdir(parents=True)
        for folder, limit in ((group, 16_000_000_000), (group.parent, 9223372036854771712), (group.parent.parent, 9223372036854771712)):
            (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
            (folder / "memory.usage_in_bytes").write_text("15000000000\n")
        (group / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
        (tmp_path / "self").mkdir()
        (tmp_path / "self" / "cgroup").write_text("12:pids:/docker/abc\n5:cpu,memory:/docker/abc\n0::/\n")
        assert MemoryGroups(None, tmp_path, tmp_path / "cg").read() == GroupMemory(15_000_000_000, 16_000_000_000, 3)

    def test_in_a_container_the_root_is_its_own_group(self, tmp_path: Path) -> None:
        root = tmp_path / "cg"
        root.mkdir()
        (root / "cgroup.procs").touch()
        (root / "memory.max").write_text("8000000000\n")
        (root / "memory.current").write_text("1000\n")
        (tmp_path / "self").mkdir()
        (tmp_path / "self" / "cgroup").write_text("0::/../../kubepods/pod1\n")
        assert MemoryGroups(None, tmp_path, root).read() == GroupMemory(1000, 8_000_000_000, None)

    def test_where_nothing_tells_nothing_is_known(self, tmp_path: Path) -> None:
        assert MemoryGroups(5, tmp_path, tmp_path).read() == GroupMemory()
