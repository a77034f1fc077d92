"""Facts about telling raw files from what is sent in their place."""

import hashlib
import io
import json
import pickle
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stgnn.catalog import RawFile
from stgnn.rawcheck import content_problem, format_problem, is_right, web_page


def zip_of(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def npy_of(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def h5_of(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["df/block0_values"] = array
    return buffer.getvalue()


ARRAY = np.arange(6.0).reshape(2, 3)
WHOLE = {
    "a.h5": h5_of(ARRAY),
    "a.zip": zip_of("node_values.npy", npy_of(ARRAY)),
    "a.npy": npy_of(ARRAY),
    "a.json": json.dumps({"FX": ARRAY.tolist()}).encode() + b"\n",
    "a.pkl": pickle.dumps((["1"], {"1": 0}, ARRAY)),
    "b.pkl": pickle.dumps([["1"], {"1": 0}, ARRAY], protocol=0),
    "a.csv": b"time,1,2\n2017-01-01,60.1,61.2\n",
    "a.txt": b"773869,767541\n",
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_of_every_format_pass(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(WHOLE[name])
    assert format_problem(tmp_path / name, name) is None


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize(
    "wrong", [b"", b"<html>Sign in</html>", b'<?xml version="1.0"?><Error/>', b"\0\1\2\3"]
)
def test_nothing_web_pages_and_noise_are_no_files(tmp_path: Path, name: str, wrong: bytes) -> None:
    (tmp_path / name).write_bytes(wrong)
    assert format_problem(tmp_path / name, name) is not None


@pytest.mark.parametrize(
    "name, problem", [("a.json", "bracket"), ("a.pkl", "last byte"), ("a.zip", "directory")]
)
def test_files_without_their_end_are_cut_off(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / name).write_bytes(WHOLE[name].rstrip()[:-3])
    assert problem in str(format_problem(tmp_path / name, name))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stop=st.integers(0, len(WHOLE["a.zip"]) - 1))
def test_no_beginning_of_an_archive_is_an_archive(tmp_path: Path, stop: int) -> None:
    (tmp_path / "a.zip").write_bytes(WHOLE["a.zip"][:stop])
    assert format_problem(tmp_path / "a.zip", "a.zip") is not None


@given(
    blank=st.text(" \t\r\n", max_size=20),
    page=st.sampled_from(["<!doctype html>", "<HTML>", "<head>", "<Error>"]),
)
def test_a_web_page_is_known_by_its_first_sign(blank: str, page: str) -> None:
    assert web_page(b"\xef\xbb\xbf" + (blank + page).encode()) is not None


def test_a_web_page_is_known_by_its_declared_type() -> None:
    assert web_page(b'{"FX": []}', "Text/HTML; charset=utf-8") is not None
    assert web_page(b'{"FX": []}', "text/plain") is None


def test_a_checksum_overrules_the_format(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"no json")
    sha256 = hashlib.sha256(b"no json").hexdigest()
    assert is_right(path, RawFile("a.json", None, sha256, None, "values"))
    assert not is_right(path, RawFile("a.json", None, None, None, "values"))
    assert not is_right(path, RawFile("a.json", None, sha256, 8, "values"))
    assert not is_right(path, RawFile("a.json", None, "0" * 64, None, "values"))
    assert "expected 000000000000" in str(
        content_problem(path, RawFile("a.json", None, "0" * 64, None, "v"), sha256)
    )
