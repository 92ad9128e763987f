"""What the catalogue recognises, what it must not, and what it reads off the texts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loramon.catalogue import Row, load

CATALOGUE = load()
EXAMPLES = [(row, text) for row in CATALOGUE.rows for text in row.examples]
NEAR_MISSES = [(row, text) for row in CATALOGUE.rows for text in row.near_misses]
LINE_EXAMPLES = [(row, text) for row, text in EXAMPLES if row.where == "line"]


def split(text: str) -> tuple[str, str]:
    """`Class: message` as a traceback ends with it."""
    found = re.match(r"([\w.]+)(?::\s?(.*))?\Z", text, re.DOTALL)
    assert found, text
    return found[1], found[2] or ""


def ask(row: Row, text: str, frames: tuple[str, ...] = ()) -> str | None:
    found = CATALOGUE.exception(*split(text), frames) if row.where == "exception" else CATALOGUE.line(text)
    return found.row.name if found else None


def label(value: object) -> str:
    return value.name if isinstance(value, Row) else str(value)[:30]


def raised(text: str, *frames: str) -> tuple[str, dict[str, object]]:
    found = CATALOGUE.exception(*split(text), frames)
    assert found, text
    return found.row.id, found.numbers


def said(text: str) -> tuple[str, dict[str, object]]:
    found = CATALOGUE.line(text)
    assert found, text
    return found.row.id, found.numbers


@pytest.mark.parametrize(("row", "text"), EXAMPLES, ids=label)
def test_each_row_recognises_its_examples_before_any_other_row(row: Row, text: str) -> None:
    assert ask(row, text, row.example_frames) == row.name


@pytest.mark.parametrize(("row", "text"), NEAR_MISSES, ids=label)
def test_each_row_leaves_its_near_misses_alone(row: Row, text: str) -> None:
    assert ask(row, text) != row.name


class TestWordsInForeignText:
    @pytest.mark.parametrize(("row", "text"), LINE_EXAMPLES, ids=label)
    @pytest.mark.parametrize("before", ["1girl, sign that says ", "prompt: ", "--output_name="])
    def test_a_caption_prompt_or_flag_that_holds_the_words_is_no_failure(
        self, row: Row, text: str, before: str
    ) -> None:
        assert CATALOGUE.line(before + text.strip()) is None

    @pytest.mark.parametrize(
        "line",
        [
            "CUDA out of memory, 1girl, solo",
            "accelerate launch train.py --report_to none --output_name error: unrecognized arguments: x",
            "Killed by a dragon",
            "loss is nan, a meme",
            "/data/10_CUDA out of memory. Tried/Job stopped.png",
            "a screenshot of No space left on device",
            "INFO:train:prompt: KeyboardInterrupt",
        ],
    )
    def test_ordinary_lines_stay_ordinary(self, line: str) -> None:
        assert CATALOGUE.line(line) is None

    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("FileNotFoundError: [Errno 2] No such file or directory: '/d/CUDA out of memory.txt'", "missing-file"),
            ("FileNotFoundError: [Errno 2] No such file or directory: '/d/No space left on device'", "missing-file"),
            (
                "subprocess.CalledProcessError: Command '['python', '--prompt=CUDA out of memory. died with "
                "<Signals.SIGKILL: 9>.']' returned non-zero exit status 1.",
                "crash-unknown",
            ),
        ],
    )
    def test_words_inside_the_paths_of_an_error_do_not_change_what_it_is(self, text: str, wanted: str) -> None:
        assert raised(text)[0] == wanted

    @given(st.text(max_size=300))
    def test_no_text_at_all_breaks_the_matcher(self, text: str) -> None:
        found = CATALOGUE.line(text)
        assert found is None or found.row.where == "line"
        other = CATALOGUE.exception("RuntimeError", text, (text,))
        assert other is None or other.row.where == "exception"


class TestClasses:
    def test_the_class_counts_by_its_last_part_however_it_is_qualified(self) -> None:
        message = "CUDA out of memory. Tried to allocate 1.00 GiB."
        for kind in ("OutOfMemoryError", "torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError"):
            found = CATALOGUE.exception(kind, message)
            assert found and found.row.id == "oom-vram"
        assert CATALOGUE.exception("MyOutOfMemoryError", message) is None

    def test_an_unknown_exception_is_left_to_the_caller(self) -> None:
        assert CATALOGUE.exception("IndexError", "list index out of range") is None

    def test_a_name_that_cannot_be_imported_is_a_version_and_a_module_that_is_absent_is_missing(self) -> None:
        assert raised("ImportError: cannot import name 'a' from 'b' (/v/b.py)")[0] == "version-mismatch"
        assert raised("ModuleNotFoundError: No module named 'b'") == ("missing-module", {"module": "b"})


class TestWorkers:
    def test_an_error_re_raised_from_a_data_loader_worker_is_the_workers_own(self) -> None:
        message = (
            "Caught FileNotFoundError in DataLoader worker process 3.\n"
            "Original Traceback (most recent call last):\n"
            '  File "/v/torch/utils/data/_utils/worker.py", line 300, in _worker_loop\n'
            "    data = fetcher.fetch(index)\n"
            "FileNotFoundError: [Errno 2] No such file or directory: '/d/a.png'\n"
        )
        found = CATALOGUE.exception("FileNotFoundError", message)
        assert found and found.row.id == "missing-file" and found.numbers["path"] == "/d/a.png"

    def test_a_worker_out_of_memory_is_out_of_memory_whatever_class_carries_it(self) -> None:
        message = (
            "Caught RuntimeError in replica 0 on device 0.\nOriginal Traceback (most recent call last):\n"
            '  File "x.py", line 1, in f\nRuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB.'
        )
        found = CATALOGUE.exception("RuntimeError", message)
        assert found and found.row.id == "oom-vram" and found.numbers["tried_to_allocate_gib"] == 2.0

    def test_a_killed_worker_tells_the_signal(self) -> None:
        text = "RuntimeError: DataLoader worker (pid 12) is killed by signal: Bus error. It is possible that"
        assert raised(text) == ("dataloader-killed", {"pid": 12, "signal": 7, "signal_name": "Bus error"})


class TestFrames:
    def test_an_unknown_complaint_of_the_code_that_reads_settings_is_a_bad_setting(self) -> None:
        place = 'File "/s/simpletuner/helpers/configuration/cmd_args.py", line 9, in parse_cmdline_args'
        assert raised("ValueError: these two do not go together", place)[0] == "bad-config"
        assert CATALOGUE.exception("ValueError", "these two do not go together") is None

    def test_only_the_innermost_frame_counts(self) -> None:
        outer = 'File "/s/src/llamafactory/hparams/parser.py", line 9, in get_train_args'
        inner = 'File "/s/other.py", line 1, in f'
        assert CATALOGUE.exception("ValueError", "whatever", (outer, inner)) is None

    def test_an_option_that_the_optimizer_does_not_know_is_an_argument_not_a_version(self) -> None:
        text = "TypeError: Lion.__init__() got an unexpected keyword argument 'decouple'"
        assert raised(text, 'File "/s/library/train_util.py", line 5, in get_optimizer')[0] == "bad-argument"
        assert raised(text)[0] == "version-mismatch"


class TestLaunchers:
    @pytest.mark.parametrize(
        ("end", "wanted", "numbers"),
        [
            ("returned non-zero exit status 1.", "crash-unknown", {"exit_code": 1}),
            ("died with <Signals.SIGKILL: 9>.", "killed", {"signal": 9}),
            ("died with <Signals.SIGSEGV: 11>.", "killed", {"signal": 11}),
            ("died with <Signals.SIGINT: 2>.", "interrupted", {"signal": 2}),
            ("returned non-zero exit status 137.", "killed", {"exit_code": 137, "signal": 9}),
            ("returned non-zero exit status 3221225477.", "killed", {"exit_code": 3221225477}),
            ("returned non-zero exit status 3221225786.", "interrupted", {"exit_code": 3221225786}),
            ("returned non-zero exit status 3221225495.", "oom-ram", {"exit_code": 3221225495}),
        ],
    )
    def test_a_launcher_reports_how_its_child_ended_and_is_never_the_cause(
        self, end: str, wanted: str, numbers: dict[str, object]
    ) -> None:
        found = CATALOGUE.exception("subprocess.CalledProcessError", f"Command '['python', 'train.py']' {end}")
        assert found and found.row.wrapper
        assert (found.row.id, found.numbers) == (wanted, numbers)

    def test_lines_of_the_next_process_after_the_message_change_nothing(self) -> None:
        message = "Command '['python', 'a.py']' died with <Signals.SIGKILL: 9>.\nTraining failed with exit code 1."
        found = CATALOGUE.exception("CalledProcessError", message)
        assert found and found.row.id == "killed"

    def test_what_other_ranks_say_when_one_ends_is_an_echo(self) -> None:
        for text in ("Sending process 7 closing signal SIGTERM", "Killing subprocess 7", "srun: Job step aborted"):
            found = CATALOGUE.line(text)
            assert found and found.row.echo and found.row.wrapper
        lost = CATALOGUE.exception("ConnectionResetError", "[Errno 104] Connection reset by peer")
        assert lost and lost.row.echo

    @pytest.mark.parametrize(
        "prefix",
        [
            "",
            "[rank1]: ",
            "[default0]:[rank0]:",
            "E1122 15:46:10.123000 6970 torch/distributed/elastic/multiprocessing/api.py:874] ",
            "[2026-01-02 03:04:05,678] [ERROR] [launch.py:325:sigkill_handler] ",
            "ERROR:torch.distributed.elastic.multiprocessing.api:",
            "2026-01-02 03:04:05 ERROR    ",
            "[01/02/26 03:04:05] ERROR    ",
            "[RANK 0] 2026-01-02 03:04:05,678 [ERROR] ",
            "01/02/2026 03:04:05 - ERROR - __main__ - ",
            "03:04:05-678901 ERROR    ",
            "[WARNING|2026-01-02 03:04:05] llamafactory.extras.misc:9 >> ",
            "[WARNING|trainer.py:9] 2026-01-02 03:04:05,678 >> ",
            "[2026-01-02 03:04:05,678] [ERROR] [axolotl.train] ",
        ],
    )
    def test_prefixes_of_time_level_and_rank_may_be_left_on(self, prefix: str) -> None:
        wanted = ("killed", {"signal": 9, "pid": 7})
        assert said(prefix + "failed (exitcode: -9) local_rank: 1 (pid: 7) of binary: /usr/bin/python") == wanted

    def test_the_scheduler_says_why_it_ended_the_job(self) -> None:
        line = "slurmstepd: error: *** JOB 77 ON n1 CANCELLED AT 2026-01-02T03:04:05{} ***"
        assert said(line.format(" DUE TO TIME LIMIT"))[0] == "time-limit"
        assert said(line.format(" DUE TO PREEMPTION"))[0] == "preempted"
        assert said(line.format(""))[0] == "cancelled"
        assert said(line.format(" DUE TO TIME LIMIT"))[1]["host"] == "n1"


class TestNumbers:
    def test_alternatives_of_one_name_give_that_name(self) -> None:
        assert raised("FileNotFoundError: Unable to find '/d/a.jsonl'")[1] == {"path": "/d/a.jsonl"}
        assert raised("FileNotFoundError: No such file or directory: /m/a")[1] == {"path": "/m/a"}

    def test_counts_are_whole_numbers_and_texts_stay_texts(self) -> None:
        assert said("# OOM during training step, skipping batch 2/3 #") == ("oom-skipped", {"count": 2})
        assert raised("ModuleNotFoundError: No module named '7zip'")[1] == {"module": "7zip"}

    def test_an_error_number_in_the_rust_form_is_read(self) -> None:
        text = (
            "safetensors_rust.SafetensorError: Error while serializing: "
            'IoError(Os { code: 122, kind: Uncategorized, message: "Disk quota exceeded" })'
        )
        assert raised(text) == ("disk-full", {"errno": 122})


class TestHarmlessTracebacks:
    @pytest.mark.parametrize(
        ("line", "wanted"),
        [
            ("A matching Triton is not available, some optimizations will not be enabled.", "triton-missing"),
            ("Exception ignored in: <function _releaseLock at 0x7f0000000000>", "benign-warning"),
            ("--- Logging error ---", "benign-warning"),
            ("Validation run failed at step 5: boom", "sampling-failed"),
        ],
    )
    def test_the_traceback_after_such_a_line_ended_nothing(self, line: str, wanted: str) -> None:
        found = CATALOGUE.harmless_traceback(line)
        assert found and found.row.id == wanted

    def test_onetrainer_prints_the_traceback_first_and_then_that_it_goes_on(self) -> None:
        line = "Error during sampling, proceeding without sampling"
        assert CATALOGUE.harmless_traceback(line) is None
        found = CATALOGUE.line(line)
        assert found and found.row.id == "sampling-failed" and found.row.traceback == "precedes"

    @pytest.mark.parametrize("line", ["steps:  10%|#| 1/10", "", "Killed"])
    def test_after_any_other_line_a_traceback_counts(self, line: str) -> None:
        assert CATALOGUE.harmless_traceback(line) is None


class TestBareExceptions:
    def test_a_pasted_last_line_without_its_traceback_is_read_as_the_exception(self) -> None:
        found = CATALOGUE.bare("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.")
        assert found and found.row.id == "oom-vram"
        bare = CATALOGUE.bare("KeyboardInterrupt")
        assert bare and bare.row.id == "interrupted"

    @pytest.mark.parametrize("text", ["no error here", "a RuntimeError: CUDA out of memory. x", "x: KeyboardInterrupt"])
    def test_other_lines_are_not(self, text: str) -> None:
        assert CATALOGUE.bare(text) is None


@pytest.mark.parametrize(("row", "text"), LINE_EXAMPLES, ids=label)
def test_the_filter_for_bulk_bytes_misses_no_line(row: Row, text: str) -> None:
    assert any(literal in text.encode() for literal in CATALOGUE.line_literals)


class TestHowWindowsEndsAChild:
    """Exit statuses of ntstatus.h, in the words of each launcher that tells one."""

    PRINTERS = (
        "failed (exitcode: {}) local_rank: 0 (pid: 7484) of binary: C:\\v\\python.exe",
        "  exitcode  : {} (pid: 7484)",
        "['python', '-u', 'train.py', '--local_rank=0'] exits with return code = {}",
        "Training failed with exit code {}.",
    )

    @pytest.mark.parametrize("printer", PRINTERS)
    @pytest.mark.parametrize(("status", "wanted"), [
        (3221225477, "killed"), (-1073741819, "killed"), (3221226505, "killed"), (3221225725, "killed"),
        (3221225495, "oom-ram"), (3221225773, "oom-ram"), (3221225786, "interrupted"), (1, "crash-unknown"),
    ])  # fmt: skip
    def test_a_status_is_told_for_what_it_is(self, printer: str, status: int, wanted: str) -> None:
        found, numbers = said(printer.format(status))
        assert found == wanted
        assert numbers.get("exit_code") == status


class TestALibraryThatCallsAnotherWrongly:
    SAYS = "TypeError: Cache.update() takes from 3 to 4 positional arguments but 5 were given"

    def test_the_versions_do_not_match_where_a_library_made_the_call(self) -> None:
        frame = 'File "C:\\v\\Lib\\site-packages\\peft\\peft_model.py", line 12, in forward'
        assert raised(self.SAYS, frame)[0] == "version-mismatch"

    @pytest.mark.parametrize("frame", [
        'File "/home/u/train.py", line 12, in main',
        'File "/v/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1518, in _call_impl',
        'File "/v/lib/python3.11/site-packages/accelerate/utils/operations.py", line 814, in forward',
    ])  # fmt: skip
    def test_a_call_of_the_script_s_own_or_one_passed_on_proves_nothing(self, frame: str) -> None:
        assert CATALOGUE.exception(*split(self.SAYS), (frame,)) is None
