"""Event files of separated fields: JODIE's, SNAP's, TGB's, on files of exactly their layouts."""

import gzip
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stgnn.catalog import Dataset, load_catalog
from stgnn.errors import InputError
from stgnn.raw import read
from stgnn.raw.edge_rows import plain_rows, quick_rows
from stgnn.raw.events import BLOCK_EVENTS, EventBlock, Events
from tests.raw.edges import HEADER, Write, whole


def test_jodie_s_five_names_stand_for_four_columns_and_the_features(write: Write) -> None:
    events = write("jodie-csv", HEADER + "0,0,0.0,0,0.5,-1\n1,0,36.0,1,1e-3,2\n0,1,36.0,0,.25,3.\n")
    assert events.bipartite and events.has_label and events.time_unit == "s"
    assert events.feature == ("feature_0", "feature_1")
    block = whole(events)
    np.testing.assert_array_equal(block.src, [0, 1, 0])
    np.testing.assert_array_equal(block.dst, [0, 0, 1])
    np.testing.assert_array_equal(block.t, [0, 36, 36])
    np.testing.assert_array_equal(block.label, np.array([0, 1, 0], np.int8))
    np.testing.assert_array_equal(block.feature, np.array([[0.5, -1], [1e-3, 2], [0.25, 3]], np.float32))
    assert block.t.dtype == block.src.dtype == np.int64 and block.label is not None
    assert block.label.dtype == np.int8 and block.feature is not None and block.feature.dtype == np.float32


@pytest.mark.parametrize("end", ["", ","])
def test_features_may_be_absent_with_or_without_their_comma(write: Write, end: str) -> None:
    events = write("jodie-csv", HEADER + f"0,0,0.0,0{end}\n1,0,36.0,1{end}\n")
    assert events.feature == () and [block.feature for block in events.blocks()] == [None]
    assert events.has_label and len(whole(events)) == 2


def test_nothing_is_sorted_renumbered_or_left_out(write: Write) -> None:
    block = whole(write("jodie-csv", HEADER + "9,7,50,0\r\n3,7,20,0\r\n\r\n9,7,50,0\r\n"))
    assert block.src.tolist() == [9, 3, 9] and block.t.tolist() == [50, 20, 50]


def test_labels_are_left_out_where_they_say_nothing(write: Write) -> None:
    events = write("jodie-csv", HEADER + "0,0,0.0,0,1.5,2\n", labels=False)
    assert not events.has_label and next(events.blocks()).label is None and len(events.feature) == 2


def test_blocks_are_of_bounded_length_and_every_pass_is_fresh(write: Write) -> None:
    count = 2 * BLOCK_EVENTS + 3
    events = write("snap-text", "".join(f"{row} {row % 7} {row}\n" for row in range(count)))
    for _ in range(2):
        assert sum(len(block) for block in events.blocks()) == count
    block = whole(events)
    np.testing.assert_array_equal(block.src, np.arange(count))
    np.testing.assert_array_equal(block.t, np.arange(count))


@pytest.mark.parametrize("separator", [" ", "\t", ","])
def test_snap_s_three_columns_are_one_id_space(write: Write, separator: str) -> None:
    events = write("snap-text", "# comment 1 2 3\n" + separator.join(["1", "2", "1082040961"]) + "\n")
    assert not events.bipartite and not events.has_label and events.feature == ()
    block = whole(events)
    assert (block.src[0], block.dst[0], block.t[0]) == (1, 2, 1082040961)


def test_gzipped_files_are_read_as_they_are_served(write: Write) -> None:
    packed = gzip.compress(b"1 2 1082040961\n3 4 1082155839\n")
    assert whole(write("snap-text", packed, "CollegeMsg.txt.gz")).dst.tolist() == [2, 4]
    with pytest.raises(InputError, match=r"line 1: the gzip data are damaged or cut short from here on"):
        write("snap-text", packed[:-6], "cut.txt.gz")


def test_a_named_column_is_an_edge_feature_and_times_are_exact_to_the_last_decimal(write: Write) -> None:
    columns = ["src", "dst", "rating", "time"]
    text = "6,2,4,1289241911.72836\n6,5,-10,1289241941.5\n"
    events = write("snap-text", text, columns=columns, time_unit="us")
    assert events.feature == ("rating",) and events.time_unit == "us"
    assert whole(events).t.tolist() == [1289241911728360, 1289241941500000]
    assert whole(events).feature is not None and whole(events).feature.tolist() == [[4.0], [-10.0]]
    with pytest.raises(
        InputError, match=r"line 1, time: .* no whole number of s .*`time_unit: us` in the cat"
    ):
        whole(write("snap-text", text, columns=columns))


@pytest.mark.parametrize(
    "text, file_unit, time_unit, t",
    [
        ("1700000000123", "ms", "ms", 1700000000123),
        ("1700000000000", "ms", "s", 1700000000),
        ("1.5e9", "s", "ns", 1500000000 * 10**9),
        ("-2.5", "s", "ms", -2500),
        ("9007199254740993", "s", "s", 9007199254740993),
        ("12.000", "s", "s", 12),
    ],
)
def test_times_change_their_unit_exactly(
    write: Write, text: str, file_unit: str, time_unit: str, t: int
) -> None:
    events = write("snap-text", f"1 2 {text}\n", file_unit=file_unit, time_unit=time_unit)
    assert whole(events).t.tolist() == [t]


def test_times_that_no_unit_holds_are_rounded_on_request(write: Write) -> None:
    text = HEADER + "0,0,0.0,0\n1,1,6.00099992752,0\n"
    with pytest.raises(
        InputError, match=r"line 3, time: .*say `round_times: true` in the catalogue if the near"
    ):
        whole(write("jodie-csv", text, time_unit="ms"))
    assert whole(write("jodie-csv", text, time_unit="ms", round_times=True)).t.tolist() == [0, 6001]


def test_tgb_s_pickles_are_named_and_not_opened(
    tmp_path: Path, declare: Callable[..., Dataset], caplog: pytest.LogCaptureFixture
) -> None:
    with zipfile.ZipFile(tmp_path / "tgbl-wiki-v2.zip", "w") as archive:
        archive.writestr("tgbl-wiki/tgbl-wiki_edgelist_v2.csv", HEADER + "0,0,0.0,0,1\n0,3,4.0,0,2\n")
        archive.writestr("tgbl-wiki/tgbl-wiki_val_ns_v2.pkl", b"cos\nabort\n(tR.")
    dataset = declare("tgb-zip", {"archive": "tgbl-wiki-v2.zip"}, {"bipartite": True}, kind="events")
    with caplog.at_level(logging.INFO):
        events = read(dataset, tmp_path)
    assert isinstance(events, Events) and events.bipartite and whole(events).dst.tolist() == [0, 3]
    assert "edgelist_v2.csv only, not tgbl-wiki/tgbl-wiki_val_ns_v2.pkl" in caplog.text
    assert events.attributes["raw_sha256"].keys() == {"tgbl-wiki-v2.zip"}


def test_ids_may_be_words_and_columns_left_out(write: Write) -> None:
    text = "day,src,dst,callsign\n86400,KJFK,EDDF é,?\n172800,NA,007,\n"
    events = write("snap-text", text, header=True, ids="text", columns=["time", "src", "dst", "-"])
    assert whole(events).src.tolist() == ["KJFK", "NA"] and whole(events).dst.tolist() == ["EDDF é", "007"]


WRONG = {
    "a word for an id": (
        "0,x,0.0,0",
        "line 3, dst: found 'x', expected a whole number >= 0; if ids are words",
    ),
    "a negative id": ("-3,0,0.0,0", "line 3, src: found '-3', expected a whole number >= 0"),
    "half an id": ("0.5,0,0.0,0", "line 3, src: found '0.5'"),
    "a missing id": (",0,0.0,0", "line 3, src: a missing value, expected a whole number >= 0"),
    "a missing time": ("0,0,,0", "line 3, time: a missing value"),
    "a time that is none": ("0,0,nan,0", "line 3, time: found 'nan'"),
    "half a second": (
        "0,0,0.5,0",
        "line 3, time: '0.5' s is no whole number of s in int64; say `time_unit: ms`",
    ),
    "a time beyond int64": (
        "0,0,1e19,0",
        "line 3, time: '1e19' s is no whole number of s in int64; it is too large",
    ),
    "a label too large": (
        "0,0,1.0,300",
        r"line 3, label: found '300', expected a whole number in -128\.\.127",
    ),
    "too few fields": ("0,0,1.0", "line 3: 3 fields in '0,0,1.0', expected 4 as in line 2"),
    "too many fields": ("0,0,1.0,0,5", "line 3: 5 fields in '0,0,1.0,0,5', expected 4 as in line 2"),
    "another encoding": ("0,0,1.0,0\xff", "line 3: not UTF-8 text; save the file as UTF-8"),
    "a byte 0": ("0,0,1.0,0\0", "line 3: a byte 0, so not UTF-8 text"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_line_is_one_error_with_file_and_line(write: Write, tmp_path: Path, mistake: str) -> None:
    line, expected = WRONG[mistake]
    events = f"{HEADER}0,0,0.0,0\n{line}\n1,1,2.0,0\n".encode("latin-1")
    with pytest.raises(InputError, match=f"events.csv: {expected}") as caught:
        whole(write("jodie-csv", events))
    assert caught.value.where == str(tmp_path / "events.csv") and "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["nan", "inf", "1e39", "", "x", "0x10", "1_0"])
def test_a_feature_that_is_no_finite_number_is_named(write: Write, value: str) -> None:
    with pytest.raises(InputError, match=r"line 3, feature_1: .*, expected a finite number"):
        whole(write("jodie-csv", HEADER + f"0,0,0.0,0,1,2\n0,0,1.0,0,1,{value}\n"))


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n"])
def test_a_file_without_events_is_an_error(write: Write, text: str) -> None:
    with pytest.raises(InputError, match=r"the file is empty|line 1: no events in the file"):
        write("snap-text", text)


@pytest.mark.parametrize("chunk", [*range(1, 26), 1 << 20])
@pytest.mark.parametrize("end", ["", "\r"])
def test_a_last_line_needs_no_line_break(
    write: Write, monkeypatch: pytest.MonkeyPatch, chunk: int, end: str
) -> None:
    monkeypatch.setattr("stgnn.raw.text_chunks.CHUNK", chunk)
    for packed in (bytes, gzip.compress):
        block = whole(write("snap-text", packed(f"1 2 30\n1 2 31\n11 2 32{end}".encode())))
        assert block.src.tolist() == [1, 1, 11] and block.t.tolist() == [30, 31, 32]


def test_a_last_line_without_a_line_break_may_be_the_only_one_and_follow_a_name(write: Write) -> None:
    assert whole(write("jodie-csv", HEADER + "0,3,36.0,1")).dst.tolist() == [3]
    with pytest.raises(
        InputError, match=r"line 1: no events in the file after 'user_id,.*; check that it is wh"
    ):
        write("jodie-csv", HEADER.strip())


@pytest.mark.parametrize(
    "last, expected",
    [
        ("1 2", "2 fields in '1 2', expected 3"),
        ("1 2 ", "time: a missing value"),
        ("1 2 x", "time: found 'x'"),
    ],
)
def test_a_last_line_cut_short_is_named(write: Write, last: str, expected: str) -> None:
    with pytest.raises(InputError, match=f"line 3[:,] {expected}"):
        whole(write("snap-text", f"1 2 30\n1 2 31\n{last}"))


def test_a_binary_file_is_no_line_of_any_length(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stgnn.raw.text_chunks.LONGEST", 1 << 20)
    with pytest.raises(InputError, match="line 1: over 1 MB without a line break"):
        write("snap-text", b"7" * (3 << 20))


def test_the_quick_way_is_taken_and_gives_what_the_plain_way_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    taken = []

    def both(layout: Any, text: bytes, first: int) -> EventBlock | None:
        quick, plain = quick_rows(layout, text, first), plain_rows(layout, 1, text, first)
        assert quick is not None
        for name in ("src", "dst", "t", "label", "feature"):
            one, other = getattr(quick, name), getattr(plain, name)
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
        taken.append(len(quick))
        return quick

    monkeypatch.setattr("stgnn.raw.edge_rows.quick_rows", both)
    monkeypatch.setattr("stgnn.raw.text_chunks.CHUNK", 500)
    random = np.random.default_rng(0)
    lines = [
        f"{random.integers(10**6)},{random.integers(9)},{row}.{'0' * (row % 3)},{row % 2},{value!r},{value:.3e}\n"
        for row, value in enumerate(random.normal(0, 10.0 ** random.integers(-9, 9, 300)).tolist())
    ]
    assert len(whole(write("jodie-csv", HEADER + "".join(lines)))) == sum(taken) == 300


REAL = {
    "jodie-wikipedia-edges": (157_474, 8_227, 1_000, 2_678_373),
    "college-msg": (59_835, 1_350, 1_862, 1_098_777_142),
    "bitcoin-otc": (35_592, 4_814, 5_858, 1_453_684_323_757_280),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_have_their_published_sizes(shared_data: Path, name: str) -> None:
    events = read(load_catalog()[name], shared_data / "events")
    assert isinstance(events, Events)
    block = whole(events)
    assert (len(block), len(set(block.src)), len(set(block.dst)), block.t[-1]) == REAL[name]
    assert (np.diff(block.t) >= 0).all()
    assert name != "jodie-wikipedia-edges" or (block.label is not None and block.label.sum() == 217)
    assert name != "bitcoin-otc" or events.feature == ("rating",)


def test_bitcoin_s_copies_with_and_without_names_are_the_same_events(
    shared_data: Path, tmp_path: Path
) -> None:
    text = (shared_data / "events" / "soc-sign-bitcoinotc.csv").read_bytes().partition(b"\n")[2]
    (tmp_path / "soc-sign-bitcoinotc.csv.gz").write_bytes(gzip.compress(text, 1))
    bare = read(load_catalog()["bitcoin-otc-gz"], tmp_path)
    copy = read(load_catalog()["bitcoin-otc"], shared_data / "events")
    assert isinstance(bare, Events) and isinstance(copy, Events)
    for name in ("src", "dst", "t", "feature"):
        np.testing.assert_array_equal(getattr(whole(bare), name), getattr(whole(copy), name))
