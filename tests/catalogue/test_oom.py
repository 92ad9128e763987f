"""What out-of-memory messages tell: figures in GiB, the cause, the phase."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loramon.catalogue.oom import Cause, anatomy, cause, phase

UP_TO_2_0 = (
    "CUDA out of memory. Tried to allocate 512.00 MiB (GPU 1; 12.00 GiB total capacity; 10.50 GiB already allocated; "
    "0 bytes free; 11.25 GiB reserved in total by PyTorch) If reserved memory is >> allocated memory try setting "
    "max_split_size_mb to avoid fragmentation."
)
V2_1 = (
    "CUDA out of memory. Tried to allocate 30.00 MiB. GPU 0 has a total capacty of 16.00 GiB of which 0 bytes is free. "
    "Including non-PyTorch memory, this process has 17179869184.00 GiB memory in use. Of the allocated memory "
    "15.00 GiB is allocated by PyTorch, and 100.00 MiB is reserved by PyTorch but unallocated."
)
V2_2 = (
    "{} out of memory. Tried to allocate 2.00 GiB. GPU 3 has a total capacity of 24.00 GiB of which 1.00 GiB is free. "
    "Process 11 has 4.00 GiB memory in use. Process 12 has 512.00 MiB memory in use. Including non-PyTorch memory, "
    "this process has 18.00 GiB memory in use. 20.00 GiB allowed; Of the allocated memory 16.00 GiB is allocated by "
    "PyTorch, with 1.00 GiB allocated in private pools (e.g., CUDA Graphs), and 1.50 GiB is reserved by PyTorch but "
    "unallocated. If reserved but unallocated memory is large try setting {}=expandable_segments:True"
)


class TestAnatomy:
    def test_the_form_up_to_torch_2_0(self) -> None:
        assert anatomy(UP_TO_2_0) == {
            "tried_to_allocate_gib": 0.5, "gpu_index": 1, "gpu_capacity_gib": 12.0, "gpu_free_gib": 0.0,
            "pytorch_allocated_gib": 10.5, "pytorch_reserved_gib": 11.25, "reserved_unallocated_gib": 0.75,
        }  # fmt: skip

    def test_the_form_of_torch_2_1_with_its_typo_and_a_count_below_zero(self) -> None:
        facts = anatomy(V2_1)
        assert facts["gpu_capacity_gib"] == 16.0
        assert "process_gib" not in facts, "17179869184 GiB is 2^64 bytes, no figure"
        assert facts["pytorch_reserved_gib"] == pytest.approx(15.0977, abs=1e-4)

    @pytest.mark.parametrize("backend", ["CUDA", "HIP", "XPU"])
    @pytest.mark.parametrize("variable", ["PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"])
    def test_the_forms_from_torch_2_2_on(self, backend: str, variable: str) -> None:
        assert anatomy(V2_2.format(backend, variable)) == {
            "tried_to_allocate_gib": 2.0, "gpu_index": 3, "gpu_capacity_gib": 24.0, "gpu_free_gib": 1.0,
            "gpu_allowed_gib": 20.0, "pytorch_allocated_gib": 16.0, "reserved_unallocated_gib": 1.5,
            "pytorch_reserved_gib": 17.5, "process_gib": 18.0, "other_processes_gib": 4.5,
        }  # fmt: skip

    def test_in_a_container_this_process_is_listed_by_a_foreign_number(self) -> None:
        facts = anatomy(
            "CUDA out of memory. Tried to allocate 256.00 MiB. GPU 0 has a total capacity of 48.00 GiB of which "
            "16.00 MiB is free. Process 36 has 47.50 GiB memory in use. Of the allocated memory 47.00 GiB is allocated "
            "by PyTorch, and 64.00 MiB is reserved by PyTorch but unallocated."
        )
        assert facts["process_gib"] == 47.5
        assert facts.get("other_processes_gib", 0.0) == pytest.approx(0.4844, abs=1e-3)

    def test_a_process_too_small_for_what_pytorch_reserved_is_another_one(self) -> None:
        facts = anatomy(
            "CUDA out of memory. Tried to allocate 1.00 GiB. GPU 0 has a total capacity of 8.00 GiB of which "
            "0 bytes is free. Process 36 has 5.00 GiB memory in use. Of the allocated memory 6.00 GiB is allocated by "
            "PyTorch, and 0 bytes is reserved by PyTorch but unallocated."
        )
        assert facts["other_processes_gib"] == 5.0 and "process_gib" not in facts

    def test_apple_metal(self) -> None:
        assert anatomy(
            "MPS backend out of memory (MPS allocated: 9.00 GB, other allocations: 512.00 MB, max allowed: 10.00 GB). "
            "Tried to allocate 1.00 GB on private pool."
        ) == {
            "tried_to_allocate_gib": 1.0, "gpu_capacity_gib": 10.0, "pytorch_allocated_gib": 9.0, "process_gib": 9.5,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("text", "gib"),
        [
            ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1073741824 bytes. Error code 12", 1.0),
            ("Unable to allocate 6.25 GiB for an array with shape (3,) and data type float32", 6.25),
            ("Unable to allocate 512. MiB for an array with shape (3,) and data type float32", 0.5),
            ("unable to mmap 2147483648 bytes from file </m/a>: Cannot allocate memory (12)", 2.0),
        ],
    )
    def test_system_memory_tells_what_was_asked_for(self, text: str, gib: float) -> None:
        assert anatomy(text) == {"tried_to_allocate_gib": gib}

    @pytest.mark.parametrize(
        "text",
        [
            "CUDA error: out of memory",
            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            "[WinError 1455] The paging file is too small for this operation to complete",
            "",
        ],
    )
    def test_messages_without_figures_tell_none(self, text: str) -> None:
        assert anatomy(text) == {}

    @given(st.text(max_size=200))
    def test_any_text_is_read_without_complaint(self, text: str) -> None:
        assert all(isinstance(v, int | float) for v in anatomy(text).values())


def card(**figures: float) -> dict[str, object]:
    """Figures of a message about a 24 GiB card, all names without `_gib`."""
    return {"gpu_capacity_gib": 24.0} | {f"{name}_gib": value for name, value in figures.items()}


class TestCause:
    @pytest.mark.parametrize(
        ("facts", "wanted"),
        [
            (card(tried_to_allocate=0.1, gpu_free=0.02, pytorch_allocated=21.5, pytorch_reserved=22.0), "limit"),
            (card(tried_to_allocate=4.0, gpu_free=1.0, pytorch_allocated=20.0, process=22.0), "limit"),
            (card(tried_to_allocate=6, gpu_free=4, pytorch_allocated=12, reserved_unallocated=7), "fragmentation"),
            (card(tried_to_allocate=2.0, gpu_free=0.5, pytorch_allocated=9.0, other_processes=12.0), "other-process"),
            (card(tried_to_allocate=14.0, gpu_free=9.0, pytorch_allocated=10.0), "huge-allocation"),
            (card(tried_to_allocate=64.0, gpu_free=9.0, pytorch_allocated=0.0), "huge-allocation"),
            (card(tried_to_allocate=0.5, gpu_free=6.0, pytorch_allocated=15.0), "free-yet-fails"),
            (card(tried_to_allocate=0.1, gpu_free=0.0, pytorch_allocated=40.0), "spilled"),
            (card(tried_to_allocate=1.0), "unknown"),
            ({}, "unknown"),
            ({"tried_to_allocate_gib": 3.0}, "unknown"),
        ],
    )
    def test_the_figures_tell_why(self, facts: dict[str, object], wanted: Cause) -> None:
        assert cause(facts) == wanted

    def test_a_desktop_that_holds_a_little_is_no_reason(self) -> None:
        facts = card(tried_to_allocate=0.02, gpu_free=0.01, pytorch_allocated=22.5, other_processes=0.4)
        assert cause(facts) == "limit"

    def test_of_two_reasons_the_larger_is_told(self) -> None:
        both = card(tried_to_allocate=4.0, gpu_free=1.0, pytorch_allocated=6.0)
        others = both | {"other_processes_gib": 9.0, "reserved_unallocated_gib": 5.0}
        split = both | {"other_processes_gib": 5.0, "reserved_unallocated_gib": 9.0}
        assert (cause(others), cause(split)) == ("other-process", "fragmentation")

    def test_a_cap_set_for_the_process_counts_as_the_cards_size(self) -> None:
        facts = card(tried_to_allocate=0.1, gpu_free=12.0, gpu_allowed=12.0, pytorch_allocated=11.9)
        assert cause(facts) == "limit"


class TestPhase:
    @pytest.mark.parametrize(
        ("frames", "wanted"),
        [
            (("in train", "accelerator.backward(loss)", 'File "/v/torch/_tensor.py", line 1, in backward'), "backward"),
            (("in train", 'File "/v/torch/nn/modules/module.py", line 1, in _call_impl'), "forward"),
            (("in train", "optimizer.step()", 'File "/v/torch/optim/adamw.py", line 1, in step'), "optimizer"),
            (('File "/v/prodigyopt/prodigy.py", line 1, in step',), "optimizer"),
            (('File "library/train_util.py", line 1, in cache_batch_latents', "in forward"), "cache"),
            (('File "library/train_util.py", line 1, in sample_images_common', "in forward"), "sample"),
            (('File "train_dreambooth_lora.py", line 1, in log_validation', "in _call_impl"), "sample"),
            (('File "/v/transformers/trainer.py", line 1, in evaluation_loop', "in forward"), "validate"),
            (('File "train_network.py", line 1, in save_model',), "save"),
            (('File "/v/diffusers/pipelines/pipeline_utils.py", line 1, in from_pretrained',), "load"),
            (("in main", "unet.to(device)", 'File "/v/torch/nn/modules/module.py", line 1, in _apply'), "load"),
            (("in main",), None),
            ((), None),
        ],
    )
    def test_the_frames_tell_what_the_run_was_doing(self, frames: tuple[str, ...], wanted: str | None) -> None:
        assert phase(frames) == wanted

    def test_recomputation_under_the_backward_pass_is_backward(self) -> None:
        frames = (
            'File "/v/torch/autograd/graph.py", line 1, in _engine_run_backward',
            'File "/v/torch/utils/checkpoint.py", line 1, in recompute_fn',
            'File "model.py", line 1, in forward',
        )
        assert phase(frames) == "backward"

    def test_a_scheduler_step_is_no_optimizer_step(self) -> None:
        assert phase(('File "/v/torch/optim/lr_scheduler.py", line 1, in wrapper',)) is None
