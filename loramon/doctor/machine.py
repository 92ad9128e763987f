"""loramon itself, the processes it may see, the terminal it writes to, the disk it keeps things on."""

from __future__ import annotations

import importlib
import importlib.metadata
import locale
import os
import platform as python_platform
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from loramon import __version__, paths
from loramon.doctor.check import Check
from loramon.doctor.gpu import in_container
from loramon.sources.cgroup import MemoryGroups
from loramon.sources.gpu_nvml import is_wsl
from loramon.sources.run_gpus import namespace_note

NEEDED = ("numpy", "textual", "platformdirs", "yaml", "sqlite3")
LOW_DISK_BYTES = 1 << 30
HIDE = "hidepid="


def own() -> list[Check]:
    """Version, system, the libraries that nothing works without, and psutil."""
    out = [Check("loramon", "ok", "doctor.version", {"version": __version__, "python": python_platform.python_version(), "system": _system()})]
    for name in NEEDED:
        try:
            importlib.import_module(name)
        except Exception as error:
            about = {"name": name, "error": f"{type(error).__name__}: {error}"}
            out.append(Check("libraries", "broken", "doctor.library-broken", about, "doctor.do-reinstall"))
    try:
        importlib.import_module("psutil")
    except Exception:
        out.append(Check("libraries", "limited", "telemetry.no-psutil", {}, "doctor.do-reinstall"))
    if len(out) == 1:
        out.append(Check("libraries", "ok", "doctor.libraries"))
    return out


def _system() -> str:
    name = "WSL" if is_wsl() else python_platform.system() or sys.platform
    return f"{name} {python_platform.release()} {python_platform.machine()}".strip()


def processes() -> list[Check]:
    """Whose processes are seen, by which numbers, and the memory that they may take."""
    out: list[Check] = []
    if not os.path.exists("/proc/self/stat"):
        return [Check("processes", "limited", "doctor.no-proc", {}, "doctor.do-no-proc")]
    if hides_processes():
        out.append(Check("processes", "limited", "doctor.hidepid", {}, "doctor.do-hidepid"))
    elif namespace_note():
        out.append(Check("processes", "limited", "doctor.container" if in_container() else "doctor.namespace", {}, "doctor.do-namespace"))
    else:
        out.append(Check("processes", "ok", "doctor.processes"))
    group = MemoryGroups().read()
    if group.limit_bytes is not None:
        said = "doctor.memory-limit" if group.n_oom_kills is not None else "doctor.memory-limit-no-kills"
        out.append(Check("memory", "ok" if group.n_oom_kills is not None else "limited", said, {"limit_bytes": group.limit_bytes, "n": group.n_oom_kills}))
    elif group.n_oom_kills is None:
        out.append(Check("memory", "limited", "doctor.no-kills"))
    else:
        out.append(Check("memory", "ok", "doctor.no-memory-limit"))
    return out


def hides_processes(mounts: str | None = None) -> bool:
    """/proc shows only this user's processes (proc(5), hidepid). `mounts`: the text of /proc/mounts."""
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) > 3 and fields[1] == "/proc":
            return any(o.startswith(HIDE) and o.removeprefix(HIDE) not in ("0", "off") for o in fields[3].split(",")) and not _is_root()
    return False


def _is_root() -> bool:
    who: Callable[[], int] | None = getattr(os, "geteuid", None)
    return who is not None and who() == 0


def terminal(environ: Mapping[str, str] | None = None, is_terminal: bool | None = None, encoding: str | None = None) -> list[Check]:
    """What the terminal and the locale can show."""
    env = os.environ if environ is None else environ
    is_terminal = sys.stdout.isatty() if is_terminal is None else is_terminal
    name = env.get("TERM", "")
    out: list[Check] = []
    if not is_terminal:
        out.append(Check("terminal", "ok", "doctor.no-terminal"))
    elif name in ("", "dumb") and sys.platform != "win32":
        out.append(Check("terminal", "limited", "doctor.dumb", {"term": name or "-"}, "doctor.do-term"))
    else:
        size = shutil.get_terminal_size()
        numbers = {"term": name or "-", "columns": size.columns, "lines": size.lines}
        if size.columns < 80 or size.lines < 24:
            out.append(Check("terminal", "limited", "doctor.small", numbers, "doctor.do-small"))
        elif env.get("NO_COLOR"):
            out.append(Check("terminal", "ok", "doctor.no-colour", numbers))
        else:
            out.append(Check("terminal", "ok", "doctor.terminal", numbers))
    encoding = encoding if encoding is not None else (sys.stdout.encoding or locale.getpreferredencoding(False))
    if encoding.lower().replace("-", "").startswith(("utf", "cp65001")):
        out.append(Check("locale", "ok", "doctor.locale", {"encoding": encoding}))
    else:
        out.append(Check("locale", "limited", "doctor.locale-narrow", {"encoding": encoding}, "doctor.do-locale"))
    return out


def files() -> list[Check]:
    """Where recordings are kept, and how files are followed."""
    folder = paths.home()
    numbers: dict[str, object] = {"path": str(folder)}
    if not paths.is_writable(folder):
        disk = Check("disk", "limited", "doctor.disk-unwritable", numbers, "doctor.do-home")
    else:
        free = shutil.disk_usage(folder).free
        kind = paths.network_kind(folder)
        numbers |= {"free_bytes": free, "kind": kind}
        if free < LOW_DISK_BYTES:
            disk = Check("disk", "limited", "doctor.disk-low", numbers, "doctor.do-home")
        else:
            disk = Check("disk", "ok", "doctor.disk-network" if kind else "doctor.disk", numbers)
    return [disk, Check("following", "ok", "doctor.polling")]
