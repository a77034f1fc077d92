"""The study, written and loaded."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stgnn.study import Study, load_study
from tests.study.declared import CATALOGUE, MODELS, OWN_MODEL, PIPELINE, ROOT, Load, numbers


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load the study above, whose `deep` is a class of the user's own, with changed top-level keys."""
    top = f"own_models_{next(numbers)}"
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / f"{top}.py").write_text(OWN_MODEL)
    (tmp_path / "datasets.yaml").write_text(CATALOGUE)
    (tmp_path / "models.yaml").write_text(MODELS.replace("{top}", top))

    def load(config: dict[str, Any] | None = None, **changes: Any) -> Study:
        base = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
        base["catalogues"] = [str(tmp_path / "datasets.yaml")]
        for section, values in (config or {}).items():
            base["defaults"][section] = (
                values if isinstance(values, str) else base["defaults"][section] | values
            )
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(base))
        (tmp_path / "study.yaml").write_text(yaml.safe_dump({**PIPELINE, **changes}))
        return load_study(tmp_path / "study.yaml", tmp_path / "config.yaml", models=tmp_path / "models.yaml")

    return load
