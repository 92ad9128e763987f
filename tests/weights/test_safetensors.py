"""Hostile and ordinary safetensors headers, and the numbers of every type that is decoded."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors_writer import bf16, safetensors_bytes

from loramon.errors import UserError
from loramon.sources.safetensors import MAX_HEADER_BYTES, blocks, decoded, is_safetensors, read_header


def header_bytes(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def refused(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(UserError) as error:
        read_header(path, "mine.safetensors")
    assert error.value.code == "corrupt" and "\n" not in error.value.message
    return error.value.message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x10\0\0",
        b"<!DOCTYPE html><html>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        struct.pack("<Q", (1 << 64) - 1) + b"{",
        struct.pack("<Q", MAX_HEADER_BYTES + 1) + b"{}",
        struct.pack("<Q", 40) + b'{"a":',
        header_bytes(b"\xff\xfe{}"),
        header_bytes(b"[" * 100_000),
        header_bytes(b"[1, 2]"),
        header_bytes({"a": 3}),
        header_bytes({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0]}}),
        header_bytes({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}),
        header_bytes({"a": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}}),
        header_bytes({"a": {"dtype": "F32", "shape": [1 << 60, 1 << 60], "data_offsets": [0, 8]}}),
        header_bytes({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}),
        header_bytes({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}),
        header_bytes({"a": {"dtype": ["F32"], "shape": [2], "data_offsets": [0, 8]}}),
        header_bytes({str(i): {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for i in range(9)}, bytes(8)),
    ],
    ids=range(19),
)
def test_what_is_no_header_is_refused_in_one_line(data: bytes, tmp_path: Path) -> None:
    assert refused(tmp_path / "a.safetensors", data).startswith("mine.safetensors: not a whole safetensors file: ")


def test_a_cut_file_has_a_header_and_says_how_much_is_missing(tmp_path: Path) -> None:
    whole = safetensors_bytes({"a": np.ones(100, np.float32)})
    (tmp_path / "a.safetensors").write_bytes(whole[:-40])
    header = read_header(tmp_path / "a.safetensors", "a")
    assert header.n_missing_bytes == 40 and header.n_bytes == len(whole) - 40


def test_metadata_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    (tmp_path / "a").write_bytes(header_bytes({"__metadata__": {"ss_steps": "3", "odd": 4, "list": []}, "a": tensor}, bytes(4)))
    assert read_header(tmp_path / "a", "a").metadata == {"ss_steps": "3"}
    assert is_safetensors((tmp_path / "a").read_bytes()[:9])


FLOATS = np.array([0.0, -1.5, 3e-3, 65504.0, np.inf, np.nan])


@pytest.mark.parametrize(
    ("dtype", "raw", "rtol"),
    [
        ("F64", FLOATS.tobytes(), 0),
        ("F32", FLOATS.astype(np.float32).tobytes(), 1e-7),
        ("F16", FLOATS.astype(np.float16).tobytes(), 1e-3),
        ("BF16", bf16(FLOATS).tobytes(), 1e-2),
    ],
)
def test_numbers_come_out_as_they_went_in(dtype: str, raw: bytes, rtol: float) -> None:
    np.testing.assert_allclose(decoded(raw, dtype), FLOATS, rtol=rtol)


def test_fp8_is_decoded_after_the_tables_of_its_standard() -> None:
    # OFP8 1.0, table 2: largest normal, smallest normal, largest and smallest subnormal, NaN
    assert decoded(bytes([0x7E, 0x08, 0x07, 0x01, 0xB8]), "F8_E4M3").tolist() == [448.0, 2.0**-6, 0.875 * 2.0**-6, 2.0**-9, -1.0]
    assert np.isnan(decoded(bytes([0x7F, 0xFF]), "F8_E4M3")).all()
    assert decoded(bytes([0x7B, 0x04, 0x01, 0x7C, 0xFC]), "F8_E5M2").tolist() == [57344.0, 2.0**-14, 2.0**-16, np.inf, -np.inf]
    assert np.isnan(decoded(bytes([0x7D, 0x7E, 0xFF]), "F8_E5M2")).all()


def test_a_tensor_is_read_in_blocks(tmp_path: Path) -> None:
    values = np.arange(1000, dtype=np.float32)
    (tmp_path / "a").write_bytes(safetensors_bytes({"x": np.zeros(3, np.float32), "a": values}))
    tensor = read_header(tmp_path / "a", "a").tensors[1]
    with (tmp_path / "a").open("rb") as file:
        parts = list(blocks(file, tensor, 64))
    assert max(map(len, parts)) == 64
    np.testing.assert_array_equal(np.concatenate(parts), values)
