import os
import tempfile
from pathlib import Path

import pytest

from stgnn.distributed.scratch import scratch_folder, temporary_files_in
from stgnn.errors import InputError


def test_a_run_s_folder_is_empty_at_first_and_gone_at_last(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("LOCAL_DISK", str(tmp_path))
    with scratch_folder("$LOCAL_DISK/mine", "/runs/a", 1, "n2") as folder:
        (folder / "left").touch()
        with scratch_folder("$LOCAL_DISK/mine", "/runs/a", 1, "n2") as again:
            assert again == folder and list(again.iterdir()) == []
            assert folder.parent == tmp_path / "mine"
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_variable_that_the_compute_node_does_not_set_is_refused(monkeypatch):
    monkeypatch.delenv("NO_DISK", raising=False)
    line = "--scratch $NO_DISK/me: is $NO_DISK/me on compute node n2, which does not set that variable"
    with pytest.raises(InputError) as error, scratch_folder("$NO_DISK/me", "/runs/a", 1, "n2"):
        pass
    assert str(error.value).startswith(line)
    with pytest.raises(InputError, match="does not set that variable"), temporary_files_in("$NO_DISK/me"):
        pass


def test_temporary_files_of_one_worker_go_there_while_it_trains(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/tmp")
    with temporary_files_in(str(tmp_path / "disk")):
        (Path(tempfile.gettempdir()) / "left").touch()
        assert Path(os.environ["TMPDIR"]).parent == tmp_path / "disk"
        assert Path(tempfile.gettempdir()).parent == tmp_path / "disk"
    assert (os.environ["TMPDIR"], tempfile.gettempdir()) == ("/tmp", "/tmp")
    assert list((tmp_path / "disk").iterdir()) == []
