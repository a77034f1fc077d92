"""A class's settings and flags are read from its source alone, also through its bases."""

import itertools
from pathlib import Path

import pytest
import yaml

from stgnn.classes import declares, settings_schema, worked_out

ROOT = Path(__file__).parents[1]
numbers = itertools.count()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an empty package of a user's own, in `tmp_path`. Never imported."""
    top = f"boutique{next(numbers)}"
    (tmp_path / top / "nn").mkdir(parents=True)
    for name in ("__init__.py", "nn/__init__.py"):
        (tmp_path / top / name).touch()
    (tmp_path / top / "nn" / "cell.py").write_text("class Cell:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return top


CLASSES = """
import torch
from torch.missing import Unknown
from {top}.nn.cell import Cell
class Plain(Cell):
    def __init__(self, shape, graph, *, a: int, b: "float | None" = None, c: bool | str = "", d: list[int], e,
                 f: Literal["x", 2] = 2,
                 g: "Literal['x, y]',]" = "", h: Literal["a"] | Literal["b"] = "a", i: Literal[Mode.A] = 0,
                 j: Literal[Literal["a"], "b"] = "a", k: Literal[b"x"] = b"x"):
        pass
class Inherits(Plain):
    pass
class Mixed(Cell, Plain):
    pass
class Foreign(torch.Thing):
    pass
class Lost(Unknown):
    pass
class Cell(Cell):
    pass
"""


def test_the_source_tells_which_settings_a_class_takes(tmp_path: Path, package: str) -> None:
    top, folder = package, tmp_path / package
    (folder / "own.py").write_text(CLASSES.replace("{top}", top))
    (folder / "again.py").write_text(f"from {top}.own import Plain as Deep\n")
    plain = settings_schema(f"{top}.own.Plain")
    assert plain is not None
    assert plain["properties"] == {
        "a": {"type": ["integer"]}, "b": {"type": ["number", "null"]}, "c": {"type": ["boolean", "string"]},
        "d": {}, "e": {}, "f": {"enum": ["x", 2]},
        "g": {"enum": ["x, y]"]}, "h": {}, "i": {}, "j": {}, "k": {},
    }  # fmt: skip
    assert plain["required"] == ["a", "d", "e"]
    assert settings_schema(f"{top}.own.Inherits") == settings_schema(f"{top}.again.Deep") == plain


def test_a_class_whose_source_does_not_tell_is_left_to_itself(tmp_path: Path, package: str) -> None:
    top, folder = package, tmp_path / package
    (folder / "own.py").write_text(CLASSES.replace("{top}", top))
    for name in ("Foreign", "Lost", "Cell", "Mixed", "Nothing"):
        assert settings_schema(f"{top}.own.{name}") is None
    assert settings_schema("no_such_package.Model") is None


def test_every_shipped_model_says_which_settings_it_takes() -> None:
    models = yaml.safe_load((ROOT / "config" / "models.yaml").read_text())
    for model in models.values():
        schema = settings_schema(model["class"])
        assert schema is not None and schema["properties"].keys() == model["settings"].keys()
        assert all(schema["properties"].values())


FLAGS = """
class Base:
    plain = True
    annotated: bool = True
    off = False
class Nearer(Base):
    plain = False
class Far(Nearer):
    pass
"""


def test_the_source_tells_which_flags_a_class_sets(tmp_path: Path, package: str) -> None:
    (tmp_path / package / "flags.py").write_text(FLAGS)
    (tmp_path / package / "again.py").write_text(
        f"from {package}.flags import Far\nclass Here(Far):\n    pass\n"
    )
    base = f"{package}.flags.Base"
    assert [declares(base, name) for name in ("plain", "annotated", "off", "none")] == [
        True,
        True,
        False,
        False,
    ]
    for far in (f"{package}.flags.Far", f"{package}.again.Here"):
        assert not declares(far, "plain"), "the nearest class that says wins"
        assert declares(far, "annotated")
    assert not declares("no_such_package.Model", "plain")


def test_a_setting_that_counts_is_at_least_one(tmp_path: Path, package: str) -> None:
    (tmp_path / package / "own.py").write_text(
        "class Model:\n    def __init__(self, *, n: PositiveInt, m: PositiveInt | None = None): ..."
    )
    schema = settings_schema(f"{package}.own.Model")
    assert schema is not None
    assert schema["properties"] == {
        "n": {"type": ["integer"], "minimum": 1},
        "m": {"type": ["integer", "null"], "minimum": 1},
    }


WORKED_OUT = """
class Base:
    @staticmethod
    def least(deep, wide):
        \"\"\"Entries.\"\"\"
        return max(2 * deep + wide, 4)
    @staticmethod
    def wrong(deep: int, wide: torch.Tensor) -> tuple[str, str] | None:
        for each in (deep, wide):
            if each % 2:
                return "odd", f"is {each}"
        return None
    def foreign(deep):
        return open(deep)
    def nothing():
        return
class Far(Base):
    pass
"""


def test_the_source_tells_what_a_class_works_out_of_settings(tmp_path: Path, package: str) -> None:
    (tmp_path / package / "sizes.py").write_text(WORKED_OUT)
    far = f"{package}.sizes.Far"
    assert worked_out(far, "least", {"deep": 3, "wide": 1, "other": 9}) == 7
    assert worked_out(far, "least", {"deep": 1, "wide": 1}) == 4
    assert worked_out(far, "wrong", {"deep": 2, "wide": 1}) == ("odd", "is 1")
    assert worked_out(far, "wrong", {"deep": 2, "wide": 4}) is None
    for name in ("foreign", "nothing", "none"):
        assert worked_out(far, name, {"deep": 1}) is None
    assert worked_out(far, "least", {"deep": 3}) is None, "a setting that is not given is left to the class"
    assert worked_out("no_such_package.Model", "least", {}) is None
