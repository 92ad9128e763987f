"""`loramon doctor` tells what is here, what is not, why, and what to do; only a loramon that cannot work is broken."""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from in_process import command
from stub_driver import DRIVER_NOT_LOADED, GIB, GPU_IS_LOST, NO_PERMISSION, NOT_SUPPORTED, RTX_4090, VERSION_MISMATCH, StubDriver, lines

from loramon.clock import SystemClock
from loramon.doctor import checkup, gpu, machine
from loramon.doctor.check import Check
from loramon.i18n import LANGUAGES, message_keys
from loramon.report.doctor import as_json, page, remedy, said

DOCTOR = Path(gpu.__file__).parent


def of(name: str, checks: list[Check]) -> list[tuple[str, str]]:
    return [(check.state, check.said) for check in checks if check.name == name]


def gpus() -> list[Check]:
    return gpu.gpus(SystemClock())


def test_every_word_that_a_check_may_say_is_there_in_both_languages() -> None:
    used = {key for path in DOCTOR.glob("*.py") for key in re.findall(r'"((?:doctor|telemetry)\.[a-z-]+)"', path.read_text(encoding="utf-8"))}
    used |= {f"doctor.what-{name}" for name in gpu.QUESTIONS.values()}
    used |= {f"doctor.title-{check.name}" for check in checkup(SystemClock())}
    for lang in LANGUAGES:
        assert len(used) > 40 and used <= set(message_keys(lang))


def test_a_failing_driver_has_a_remedy_for_each_way_to_fail() -> None:
    from loramon.sources.gpu_nvml import _HOW

    ways = {key.partition(".")[2] for key in (*_HOW.values(), "telemetry.driver-error")} - {"no-driver"}
    assert {f"doctor.do-{way}" for way in ways} <= set(message_keys("en"))


class TestGpus:
    def test_a_card_that_tells_everything(self, driver: StubDriver) -> None:
        driver.cards(RTX_4090)
        checks = gpus()
        assert of("nvidia", checks) == [("ok", "doctor.driver")] and of("card", checks) == [("ok", "doctor.card-all")]
        assert said(checks[0], "en") == "driver 580.00, NVML 13.580, GPUs: 1"

    def test_what_a_card_does_not_tell_is_named_and_what_is_denied_has_its_remedy(self, driver: StubDriver) -> None:
        driver.cards(RTX_4090)
        driver.fail(0, NOT_SUPPORTED, "reasons")
        driver.fail(0, NO_PERMISSION, "power_limit")
        check = next(check for check in gpus() if check.name == "card")
        assert (check.state, check.remedy) == ("limited", "doctor.do-permission")
        assert "does not tell power limit, reasons for lower clocks" in said(check, "en")

    def test_a_slice_a_lost_card_and_a_narrow_slot(self, driver: StubDriver) -> None:
        driver.cards({**RTX_4090, "mig": 1, "mig_count": 1}, {**RTX_4090, "pcie_lanes": 4}, RTX_4090)
        driver.say(17, uuid="MIG-0", memory_total=GIB, memory_used=GIB)
        driver.fail(2, GPU_IS_LOST, "handle")
        assert [said for _, said in of("card", gpus())] == ["doctor.card-slice", "doctor.card-all", "doctor.card-link", "doctor.card-lost"]

    def test_windows_own_driver(self, driver: StubDriver) -> None:
        driver.cards({**RTX_4090, "driver_model": 0})
        assert ("limited", "doctor.card-wddm") in of("card", gpus())

    def test_a_driver_that_is_not_loaded_or_was_updated(self, driver: StubDriver) -> None:
        driver.fail(-1, DRIVER_NOT_LOADED, "init")
        assert of("nvidia", gpus()) == [("absent", "telemetry.driver-not-loaded")]
        driver.cards(RTX_4090)
        driver.fail(-1, VERSION_MISMATCH, "init")
        (check,) = (check for check in gpus() if check.name == "nvidia")
        assert (check.state, check.remedy) == ("limited", "doctor.do-driver-updated")

    def test_a_driver_that_hangs_is_told_and_the_rest_is_looked_at(self, driver: StubDriver, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gpu, "PATIENCE_S", 0.2)
        driver.cards(RTX_4090)
        driver.hang()
        try:
            checks = gpus()
        finally:
            driver.hang(False)
        assert of("nvidia", checks) == [("limited", "doctor.driver-hangs")] and of("spill", checks)

    def test_the_package_that_hides_the_binding(self, monkeypatch: pytest.MonkeyPatch) -> None:
        versions = {"nvidia-ml-py": "13.0", "pynvml": "11.5.0"}
        monkeypatch.setattr(importlib.metadata, "version", lambda name: versions[name])
        assert [(c.state, c.remedy) for c in gpu._binding()] == [("limited", "doctor.do-shadow")]
        versions["pynvml"] = "13.0.1"  # only asks for nvidia-ml-py
        assert [c.state for c in gpu._binding()] == ["ok"]

        def missing(name: str) -> str:
            raise importlib.metadata.PackageNotFoundError(name)

        monkeypatch.setattr(importlib.metadata, "version", missing)
        assert [(c.state, c.remedy) for c in gpu._binding()] == [("limited", "doctor.do-binding")]

    @pytest.mark.parametrize(("where", "has", "expected"), [("linux", False, "doctor.spill-linux"), ("wsl", False, "telemetry.no-typeperf"),
                                                            ("windows", True, "doctor.spill-counters")])  # fmt: skip
    def test_whether_a_spill_can_be_proven(self, monkeypatch: pytest.MonkeyPatch, where: str, has: bool, expected: str) -> None:
        monkeypatch.setattr(gpu, "platform", lambda: where)
        monkeypatch.setattr(gpu, "typeperf", lambda: ["typeperf"] if has else None)
        assert [check.said for check in gpu._spill(False)] == [expected]
        assert [check.said for check in gpu._spill(True)] == ["doctor.spill-amd"]


class TestMachine:
    @pytest.mark.parametrize(("environ", "is_terminal", "encoding", "expected"), [
        ({"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}, True, "utf-8", ["doctor.terminal", "doctor.locale"]),
        ({"TERM": "dumb"}, True, "utf-8", ["doctor.dumb", "doctor.locale"]),
        ({"TERM": "xterm"}, False, "ascii", ["doctor.no-terminal", "doctor.locale-narrow"]),
        ({"TERM": "xterm", "COLUMNS": "60", "LINES": "20"}, True, "cp932", ["doctor.small", "doctor.locale-narrow"]),
    ])  # fmt: skip
    def test_terminal_and_characters(self, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], is_terminal: bool, encoding: str,
                                     expected: list[str]) -> None:  # fmt: skip
        for name in ("COLUMNS", "LINES"):
            monkeypatch.setenv(name, environ.get(name, ""))
        assert [check.said for check in machine.terminal(environ, is_terminal, encoding)] == expected

    def test_hidden_processes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "_is_root", lambda: False)
        mounts = "proc /proc proc rw,nosuid,hidepid={} 0 0\ntmpfs /tmp tmpfs rw 0 0\n"
        assert [machine.hides_processes(mounts.format(each)) for each in ("2", "invisible", "0", "off")] == [True, True, False, False]

    def test_a_folder_that_cannot_be_written_to(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("LORAMON_HOME", str(tmp_path / "file"))
        assert [(c.state, c.remedy) for c in machine.files() if c.name == "disk"] == [("limited", "doctor.do-home")]
        monkeypatch.setenv("LORAMON_HOME", str(tmp_path / "fine"))
        assert [c.state for c in machine.files() if c.name == "disk"] == ["ok"]

    def test_a_missing_library_is_broken_and_a_missing_gpu_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "broken" not in {check.state for check in checkup(SystemClock())}
        monkeypatch.setitem(sys.modules, "textual", None)
        broken = [check for check in machine.own() if check.state == "broken"]
        assert [check.numbers["name"] for check in broken] == ["textual"] and broken[0].remedy


class TestCommand:
    def test_json_and_text_say_the_same(self, driver: StubDriver) -> None:
        driver.cards({**RTX_4090, "name": b"\x1b]0;x\x07RTX [/]"})
        checks = checkup(SystemClock())
        for lang in LANGUAGES:
            told: dict[str, Any] = json.loads(as_json(checks, lang))
            assert told["schema"] == "loramon.doctor/1" and told["broken"] is False and len(told["checks"]) == len(checks)
            text = page(checks, lang)
            assert "\x1b" not in text and "RTX [/]" in text
            flat = re.sub(r"\s+", "", text)
            for check, row in zip(checks, told["checks"], strict=True):
                assert row["said"] == said(check, lang) and re.sub(r"\s+", "", row["said"]) in flat
                assert row["remedy"] == (remedy(check, lang) or None)

    def test_the_exit_status_is_0_without_a_gpu(self) -> None:
        done = command("doctor", "--json")
        assert done.status == 0 and done.objects[0]["broken"] is False

    def test_another_process_sees_the_driver_of_its_own_library_path(self, driver_library: Path, tmp_path: Path) -> None:
        from shell import python

        (tmp_path / "driver.txt").write_text(lines(RTX_4090, RTX_4090))
        env = {"LD_LIBRARY_PATH": str(driver_library.parent), "LORAMON_TEST_NVML": str(tmp_path / "driver.txt")}
        done = python("-m", "loramon", "doctor", "--json", env=env)
        assert done.status == 0
        assert [check["code"] for check in done.objects[0]["checks"] if check["name"] == "card"] == ["doctor.card-all"] * 2
