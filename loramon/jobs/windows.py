"""What Windows tells of a process (Win32: OpenProcess, GetExitCodeProcess, GetProcessTimes). Standard library only."""

from __future__ import annotations

import ctypes
from typing import Any

QUERY_LIMITED = 0x1000
STILL_ACTIVE = 259


def start_of(pid: int) -> int | None:
    """When the process of this number was created, in 100 ns since 1601; None where none runs that may be asked."""
    kernel: Any = getattr(ctypes, "windll").kernel32  # noqa: B009  (there on Windows only)
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(kernel.OpenProcess(QUERY_LIMITED, False, pid))
    if not handle.value:
        return None
    try:
        code, created, other = ctypes.c_ulong(), ctypes.c_ulonglong(), ctypes.c_ulonglong()
        if not kernel.GetExitCodeProcess(handle, ctypes.byref(code)) or code.value != STILL_ACTIVE:
            return None
        if not kernel.GetProcessTimes(handle, ctypes.byref(created), ctypes.byref(other), ctypes.byref(other), ctypes.byref(other)):
            return None
        return created.value
    finally:
        kernel.CloseHandle(handle)
