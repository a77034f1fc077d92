"""Adjacency pickles: every way that Python 2 and 3 write them is read, nothing that they ask for is run."""

import os
import pickle
import resource
import struct
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stgnn.errors import InputError
from stgnn.raw import pickles
from stgnn.raw.pickles import load_pickle
from stgnn.raw.stored_array import Payload, StoredArray

IDS = ["773869", "767541", "767542"]
MATRIX = np.array([[1, 0.25, 0], [0.5, 1, 0], [0, 0, 1]], np.float32)


def content(matrix: np.ndarray = MATRIX) -> tuple[Any, ...]:
    return IDS, {name: place for place, name in enumerate(IDS)}, matrix


def python2_pickle(protocol: int) -> bytes:
    """What Python 2 wrote: text as its byte strings, bytes as themselves."""
    raw = MATRIX.tobytes()
    if protocol == 0:
        ids = "".join(f"S'{name}'\na" for name in IDS)
        index = "".join(f"S'{name}'\nI{place}\ns" for place, name in enumerate(IDS))
        head = f"(lp0\n(lp1\n{ids}a(dp2\n{index}acnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        state = "(I1\n(I3\nI3\ntcnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
        return head.encode() + state.encode() + b"S" + repr(raw)[1:].encode() + b"\ntba."

    def short(text: str) -> bytes:
        return b"U" + bytes([len(text)]) + text.encode()

    ids = b"](" + b"".join(short(name) for name in IDS) + b"e"
    index = b"}(" + b"".join(short(name) + b"K" + bytes([place]) for place, name in enumerate(IDS)) + b"u"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + short("b") + b"\x87R"
    dtype = (
        b"cnumpy\ndtype\n"
        + short("f4")
        + b"K\x00K\x01\x87R(K\x03"
        + short("<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    state = b"(K\x01K\x03K\x03\x86" + dtype + b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tb"
    return b"\x80\x02" + ids + index + array + state + b"\x87."


def whole(array: StoredArray, path: Path) -> np.ndarray:
    assert isinstance(array, StoredArray)
    matrix = np.concatenate(list(array.blocks(path, "matrix")))
    return matrix.T if array.fortran else matrix


def load(tmp_path: Path, data: bytes) -> Any:
    path = tmp_path / "adj.pkl"
    path.write_bytes(data)
    return load_pickle(path)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_protocol_of_python_3_is_read(tmp_path: Path, protocol: int, dtype: str, order: Any) -> None:
    matrix = np.array([[1, 2, 0], [0, 3, 255], [128, 0, 0]], dtype, order=order)
    ids, index, array = load(tmp_path, pickle.dumps(content(matrix), protocol))
    assert (ids, index) == content()[:2]
    np.testing.assert_array_equal(whole(array, tmp_path / "adj.pkl"), matrix.astype(np.float32))


@pytest.mark.parametrize("protocol", [0, 2])
def test_pickles_of_python_2_are_read(tmp_path: Path, protocol: int) -> None:
    data = python2_pickle(protocol)
    oracle = pickle.loads(data, encoding="latin1")
    np.testing.assert_array_equal(oracle[2], MATRIX)
    ids, index, array = load(tmp_path, data)
    assert ids == [name.encode() for name in IDS] and index[b"767541"] == 1
    np.testing.assert_array_equal(whole(array, tmp_path / "adj.pkl"), MATRIX)


def test_names_of_numpy_1_and_2_mean_the_same(tmp_path: Path) -> None:
    data = pickle.dumps(content(), 2)
    for old, new in ((b"numpy._core.", b"numpy.core."), (b"numpy.core.", b"numpy._core.")):
        array = load(tmp_path, data.replace(old, new))[2]
        np.testing.assert_array_equal(whole(array, tmp_path / "adj.pkl"), MATRIX)


@pytest.mark.parametrize("ids", [np.array(IDS), np.array([1, 2, 3])])
def test_ids_may_be_an_array_or_numpy_scalars(tmp_path: Path, ids: np.ndarray) -> None:
    assert load(tmp_path, pickle.dumps((ids, 0), 4))[0].items() == ids.tolist()
    assert load(tmp_path, pickle.dumps(list(ids), 4)) == ids.tolist()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_large_matrix_stays_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int
) -> None:
    monkeypatch.setattr(pickles, "LARGE", 1000)
    matrix = np.random.default_rng(0).random(
        (200, 200), dtype=np.float32
    )  # every byte value, so UTF-8 matters
    array = load(tmp_path, pickle.dumps(content(matrix), protocol))[2]
    # Protocol 5 frames small buffers; the others leave the bytes where they are.
    assert isinstance(array._data, Payload) or protocol == 5
    np.testing.assert_array_equal(whole(array, tmp_path / "adj.pkl"), matrix)


class Evil:
    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> Any:
        return self.call, self.arguments


@pytest.mark.parametrize(
    "thing, name",
    [
        (Evil(os.system, "touch owned"), "posix.system"),
        (Evil(eval, "open('owned', 'w')"), "builtin.*eval"),
        (Evil(getattr, "", "join"), "builtin.*getattr"),
        (OrderedDict(a=1), "collections.OrderedDict"),
        ({1, 2}, "builtin.*set|builds sets"),
        ({(1, 2): 3}, "a dict whose keys are neither text nor numbers"),
        (np.array([object()], dtype=object), "type b?'O8?'"),
        (np.array([(1, 2.0)], dtype="i4,f4"), r"an array of (type b?'V8'|records)"),
        (np.datetime64("2020-01-01"), "type b?'M8'"),
        (Path("x"), "pathlib"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_whatever_else_a_pickle_asks_for_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thing: Any, name: str, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=name):
        load(tmp_path, pickle.dumps((IDS, {}, thing), protocol))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "data, message",
    [
        # Dotted names reach into what is allowed: numpy.ndarray's attributes, a stand-in's globals.
        (b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", r"numpy\.ndarray\.tofile', refused"),
        (b"\x80\x04\x8c\x07_codecs\x8c\x14encode.__globals__.x\x93.", r"_codecs\.encode\.__globals__"),
        (b"c__main__\nx\n.", r"__main__\.x', refused"),
        # State must not be set on the stand-ins themselves.
        (b"\x80\x02c_codecs\nencode\n}U\x08__name__U\x01xsb.", "state for a function"),
        (b"\x80\x02cnumpy\ndtype\nN}U\x07checkedU\x01xs\x86b.", "state for a type"),
        (b"\x80\x02cnumpy\nndarray\n)R.", "a call of numpy.ndarray"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "an instruction that builds sets or objects"),
        (b"(i__builtin__\neval\n.", "an instruction that builds sets or objects"),
        (b"(S'1'\nicode\nx\n.", "an instruction that builds sets or objects"),
        (b"Pid\n.", "an instruction that builds sets or objects"),
        (b"\x80\x02\x82\x01.", "an instruction that builds sets or objects"),
        (b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00xX\x03\x00\x00\x00rot\x86R.", "text coded as 'rot'"),
        # More is announced than the file holds: nothing of that size may be allocated.
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x00.", "bytes are announced"),
        (b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x00.", "bytes are announced"),
        (b"\x80\x02T\xff\xff\xff\x7f.", "bytes are announced"),
        (b"\x80\x02T\xff\xff\xff\xff.", "bytes are announced"),
        (b"\x80\x02\x8b\xff\xff\xff\x7f.", "bytes are announced"),
        (b"\x80\x04X\xff\xff\xff\xff.", "bytes are announced"),
        (b"\x80\x02Kr\xff\xff\xff\x7f.", "not an adjacency pickle"),
        (b"<!DOCTYPE html><html>", "not an adjacency pickle"),
        (b"\x80\x02](K\x01", "not an adjacency pickle"),
        (b"", "not an adjacency pickle"),
    ],
)
def test_a_hostile_or_broken_pickle_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path, data)
    assert "adj.pkl" in str(caught.value) and "\n" not in str(caught.value)


def test_a_declared_array_is_as_large_as_its_bytes(tmp_path: Path) -> None:
    data = pickle.dumps(content(np.zeros((3, 3), np.float32)), 4)
    huge = data.replace(b"K\x03K\x03\x86", b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86")
    assert huge != data
    with pytest.raises(InputError, match="with 36 bytes of data, refused"):
        load(tmp_path, huge)
    negative = data.replace(b"K\x03K\x03\x86", b"J\xfd\xff\xff\xffJ\xfd\xff\xff\xff\x86")
    with pytest.raises(InputError, match=r"an array of shape \(-3, -3\), refused"):
        load(tmp_path, negative)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    protocol=st.sampled_from([0, 2, 3, 4, 5]),
    place=st.floats(0, 0.999),
    junk=st.binary(max_size=6),
    cut=st.integers(0, 8),
)
def test_damaged_bytes_are_an_input_error_or_plain_data(
    tmp_path: Path, protocol: int, place: float, junk: bytes, cut: int
) -> None:
    data = pickle.dumps(content(), protocol)
    at = int(place * len(data))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with suppress(InputError):
        loaded = load(tmp_path, data[:at] + junk + data[at + cut :])
        if isinstance(loaded, tuple) and len(loaded) == 3 and isinstance(loaded[2], StoredArray):
            list(loaded[2].blocks(tmp_path / "adj.pkl", "matrix"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KB


def test_broken_utf8_in_a_large_matrix_is_an_input_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickles, "LARGE", 8)
    data = pickle.dumps(content(np.full((3, 3), 1.5, np.float32)), 2)
    assert "\u00c0".encode() in data  # half of 1.5's bytes
    with pytest.raises(InputError):
        whole(load(tmp_path, data.replace("\u00c0".encode(), b"\xc3\x41"))[2], tmp_path / "adj.pkl")


def test_nothing_is_looked_up_in_the_modules_that_a_pickle_names() -> None:
    allowed = {module for module, _ in pickles._ALLOWED}
    assert allowed == {
        "numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric",
        "_codecs", "builtins", "__builtin__",
    }  # fmt: skip
    ours = {"stgnn.raw.pickles", "stgnn.raw.stored_array"}
    assert {target.__module__ for target in pickles._ALLOWED.values()} == ours
