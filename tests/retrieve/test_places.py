"""Files from mirrors, from the user's folders and from generators, and several processes at once."""

import importlib.util
import logging
import multiprocessing
import os
import re
import shutil
from pathlib import Path

import pytest

from stgnn.catalog import load_catalog
from stgnn.download import Patience
from stgnn.errors import InputError
from stgnn.retrieve import retrieve
from tests.retrieve.site import BODY, HTML, SHA256, Site, breaks_off, declare, leave_part, refusal


def test_a_mirror_folder_is_searched_at_any_depth_and_the_checksum_decides(
    site: Site, tmp_path: Path
) -> None:
    for place, content in {"a": BODY[:-1] + b"?", "b/deep/er": BODY, "c": b"short"}.items():
        (tmp_path / "mirror" / place).mkdir(parents=True)
        (tmp_path / "mirror" / place / "a.bin").write_bytes(content)
    for loop in ("loop", "ring"):  # two, so that walking in circles would never end
        (tmp_path / "mirror" / "b" / loop).symlink_to(tmp_path / "mirror")
    path = retrieve(declare(site.url("a.bin")), "a.bin", tmp_path / "town", mirror=tmp_path / "mirror")
    assert path.read_bytes() == BODY and site.seen == []
    shutil.rmtree(tmp_path / "mirror")
    assert path.read_bytes() == BODY and not path.is_symlink()


def test_a_linked_folder_of_a_mirror_is_searched(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.bin").write_bytes(BODY)
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "link").symlink_to(tmp_path / "elsewhere")
    assert retrieve(declare(None), "a.bin", tmp_path / "town", mirror=tmp_path / "mirror").is_file()


def test_without_a_checksum_a_mirror_must_be_unambiguous(tmp_path: Path) -> None:
    mirror, dataset = tmp_path / "mirror", declare(None, sha256=None)
    for place in ("a", "b"):
        (mirror / place).mkdir(parents=True)
        (mirror / place / "a.bin").write_bytes(place.encode())
    assert f"{mirror}: holds different files of that name: {mirror}/a/a.bin" in refusal(
        dataset, tmp_path / "town", mirror=mirror
    )
    (mirror / "c" / "town").mkdir(parents=True)
    (mirror / "c" / "town" / "a.bin").write_bytes(b"c")
    assert retrieve(dataset, "a.bin", tmp_path / "x", mirror=mirror).read_bytes() == b"c"
    (mirror / "c" / "town" / "a.bin").unlink()
    (mirror / "b" / "a.bin").write_bytes(b"a")
    assert retrieve(dataset, "a.bin", tmp_path / "y", mirror=mirror).read_bytes() == b"a"


def test_a_mirror_with_the_wrong_file_falls_back_to_the_public_address(site: Site, tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "a.bin").write_bytes(HTML)
    site.files["a.bin"] = BODY
    dataset = declare(site.url("a.bin"))
    assert retrieve(dataset, "a.bin", tmp_path / "town", mirror=tmp_path / "mirror").read_bytes() == BODY
    site.files.clear()
    message = refusal(dataset, tmp_path / "other", mirror=tmp_path / "mirror")
    assert (
        f"{tmp_path}/mirror/a.bin is a web page" in message and f"{site.url('a.bin')} answers 404" in message
    )


@pytest.mark.parametrize("layout", ["mirror/town/a.bin", "mirror/a.bin"])
def test_a_mirror_address_comes_before_the_public_one(site: Site, tmp_path: Path, layout: str) -> None:
    site.files[layout] = BODY
    retrieve(declare(site.url("public/a.bin")), "a.bin", tmp_path, mirror=site.url("mirror/"))
    assert site.seen[-1][0] == layout and "public/a.bin" not in dict(site.seen)


@pytest.mark.parametrize("mirror", ["/no/such/folder", "s3://bucket/data"])
def test_a_mirror_that_is_none_is_named(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"{mirror}: no such mirror; give a folder")):
        retrieve(declare("https://localhost/a.bin"), "a.bin", tmp_path / "town", mirror=mirror)


def test_without_an_address_only_a_mirror_can_supply_the_file(tmp_path: Path) -> None:
    dataset = declare(None, note="The publisher is gone.")
    message = refusal(dataset, tmp_path / "town")
    assert message.startswith("town/a.bin: no public address is known; put a.bin")
    assert "The publisher is gone." in message
    assert f"{tmp_path} holds no file of that name, no public address" in refusal(
        dataset, tmp_path / "town", mirror=tmp_path
    )


def test_a_copy_overwrites_what_a_killed_one_left(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(BODY)
    leave_part(tmp_path / "town", b"x" * 500_000, "https://localhost/a.bin", '"v1"')
    path = retrieve(declare((tmp_path / "a.bin").as_uri()), "a.bin", tmp_path / "town")
    assert path.read_bytes() == BODY and list(path.parent.iterdir()) == [path]


def test_a_file_of_ones_own_is_copied_again_when_it_changed(tmp_path: Path) -> None:
    own, dataset = tmp_path / "own.bin", declare((tmp_path / "own.bin").as_uri(), sha256=None)
    own.write_bytes(b"old")
    path = retrieve(dataset, "a.bin", tmp_path / "town")
    first = path.stat().st_mtime_ns
    assert retrieve(dataset, "a.bin", tmp_path / "town").stat().st_mtime_ns == first
    own.write_bytes(b"new")
    os.utime(own, ns=(first + 10**9, first + 10**9))
    assert retrieve(dataset, "a.bin", tmp_path / "town").read_bytes() == b"new"
    own.unlink()
    assert retrieve(dataset, "a.bin", tmp_path / "town").read_bytes() == b"new"


@pytest.mark.parametrize(
    "content, size, problem",
    [
        (None, None, r"own\.csv cannot be read \(No such file or directory\)"),
        (b"", None, r"own\.csv is empty"),
        (b"1,2\0", None, r"own\.csv is binary, not text"),
        (b"1,2,3\n", 7, r"own\.csv has 6 bytes, expected 7"),
    ],
)
def test_a_file_of_ones_own_that_is_wrong_is_mended_where_it_is(
    tmp_path: Path, content: bytes | None, size: int | None, problem: str
) -> None:
    own = tmp_path / "own.csv"
    if content is not None:
        own.write_bytes(content)
    message = refusal(declare(own.as_uri(), "a.csv", None, size), tmp_path / "town")
    assert re.search(problem + r"; correct its `path:` in the catalogue, or mend the file$", message)


def test_a_second_process_waits_for_the_first_and_finds_its_file(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"] = BODY
    context = multiprocessing.get_context("fork")
    arguments = (declare(site.url("a.bin")), "a.bin", tmp_path)
    processes = [context.Process(target=retrieve, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]


def test_ctrl_c_keeps_the_part_file_for_the_next_attempt(site: Site, tmp_path: Path) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    site.files["a.bin"], site.script = BODY, [breaks_off(200_000)]
    with pytest.raises(KeyboardInterrupt):
        retrieve(declare(site.url("a.bin")), "a.bin", tmp_path, patience=Patience((1.0,), interrupt))
    assert (tmp_path / ".a.bin.part").stat().st_size > 100_000


def test_a_folder_that_cannot_be_written_is_named(site: Site, tmp_path: Path) -> None:
    (tmp_path / "town").write_text("in the way")
    with pytest.raises(
        InputError, match=r"town/a\.bin: cannot be retrieved \(.*\); check the space and the rights"
    ):
        retrieve(declare(site.url("a.bin")), "a.bin", tmp_path / "town")


def test_the_source_and_checksum_are_logged(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    site.files["a.bin"] = BODY
    retrieve(declare(site.url("a.bin"), sha256=None), "a.bin", tmp_path)
    assert f"from {site.url('a.bin')}, sha256 {SHA256}" in caplog.text


synthetic = pytest.mark.skipif(importlib.util.find_spec("stgnn.synthetic") is None, reason="no generators")


@synthetic
@pytest.mark.parametrize("name", ["synthetic-traffic", "synthetic-chickenpox"])
def test_synthetic_files_are_written_again_equal_and_one_by_one(tmp_path: Path, name: str) -> None:
    dataset = load_catalog()[name]
    names = [raw.name for raw in dataset.files]
    for file_name in names:
        retrieve(dataset, file_name, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    first, written = (tmp_path / names[0]).read_bytes(), (tmp_path / names[-1]).stat().st_mtime_ns
    (tmp_path / names[0]).unlink()
    retrieve(dataset, names[0], tmp_path)
    assert (tmp_path / names[0]).read_bytes() == first
    assert len(names) == 1 or (tmp_path / names[-1]).stat().st_mtime_ns == written


@synthetic
def test_a_synthetic_file_that_its_generator_does_not_write_is_named(tmp_path: Path) -> None:
    shipped = load_catalog()["synthetic-chickenpox"]
    dataset = declare(None, "wrong.json", None, synthetic=shipped.synthetic)
    assert "its generator writes chickenpox.json, not wrong.json" in refusal(dataset, tmp_path / "town")
