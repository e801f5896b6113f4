"""One built graph for the whole run, whichever test process needs it first."""

from pathlib import Path

import pytest

from functions.inference.model import Model
from shared.model_files import model_folder
from shared.settings import Environment


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp().parent / "models"


@pytest.fixture(scope="session")
def minilm(model_cache: Path) -> Model:
    return Model.open(model_folder(Environment({})), model_cache, threads=2)
