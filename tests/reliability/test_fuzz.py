"""Whatever stands in a file or on the command line: a clear error or a result, never a traceback, a hang, or harm."""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from architectures import ArchitectureError, create
from framework.checkpoint.file_format import load_checkpoint, save_checkpoint
from framework.checkpoint.loaded_model import LoadedModel, load_model
from framework.config import Config
from framework.config.config import walk
from framework.data.preprocessing import Preprocessing
from framework.data.registry import open_named
from framework.errors import EmberfieldError
from recipes.s7_cifar import DEFAULTS, EXPERIMENT, main

EXAMPLES = 500 if os.environ.get("EMBERFIELD_SOAK") else 40
"""Inputs for each of the five kinds of file or command line."""

fuzz = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=EXAMPLES < 100
)
NAMES = sorted({name for _, name, _ in walk(DEFAULTS)})
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**6)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["c1c2c3c40", "os:system", "logging:basicConfig", "sgd", "60s", "nan"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6) | st.sampled_from(NAMES), inner),
    max_leaves=8,
)


def only_clear_errors(call: Callable[[], Any]) -> None:
    try:
        call()
    except (EmberfieldError, ArchitectureError) as error:
        assert str(error).strip() and len(str(error)) < 20_000


def load(path: Path) -> LoadedModel:
    return load_model(EXPERIMENT.package(), path, torch.device("cpu"))


@fuzz
@given(st.data())
def test_configuration_files(data: st.DataObject) -> None:
    content = json.loads(DEFAULTS.to_json())
    kind = data.draw(st.sampled_from(["bytes", "json", "value", "key"]))
    if kind == "bytes":
        text = bytearray(json.dumps(content).encode())
        for _ in range(data.draw(st.integers(1, 4))):
            text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
        raw = bytes(text)
    else:
        if kind == "json":
            content = data.draw(JSON)
        else:
            section = content[data.draw(st.sampled_from(sorted(content)))]
            key = data.draw(st.sampled_from(sorted(section))) if kind == "value" else data.draw(st.text(max_size=9))
            section[key] = data.draw(JSON)
        raw = json.dumps(content).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_bytes(raw)
        only_clear_errors(lambda: Config().merged_with_file(path))
        assert path.read_bytes() == raw


@fuzz
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [f"--{name.replace('_', '-')}" for name in NAMES] + ["--resume", "--config", "--out", "--x"]
            ),
            st.none() | st.text(max_size=8) | st.integers(-3, 10**9).map(str) | JSON.map(json.dumps),
        ),
        max_size=5,
    )
)
def test_command_lines(options: list[tuple[str, str | None]]) -> None:
    trained: list[Config] = []

    arguments = [part for option in options for part in option if part is not None]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        with pytest.MonkeyPatch.context() as patched:  # the settings are what is tested, not the training
            patched.setattr("framework.experiment.training.train", lambda config, *_, **__: trained.append(config))
            result = CliRunner().invoke(main, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), arguments
        assert result.exit_code in (0, 2, 4), result.output
        assert bool(trained) == (result.exit_code == 0) or "--help" in arguments or "Usage:" in result.output
        if result.exit_code == 2:
            assert not list(Path().iterdir())


@pytest.fixture(scope="module")
def checkpoint() -> dict[str, Any]:
    """One that can be restored."""
    options = {"widths": [4, 4, 4, 8]}
    metadata = {
        "arch": "c1c2c3c40",
        "arch_options": options,
        "in_channels": 3,
        "image_size": 32,
        "class_names": ["a", "b"],
        "mean": [0.5, 0.5, 0.5],
        "std": [0.2, 0.2, 0.2],
        "data": "none",
        "data_hash": "0" * 64,
        "precision": "float32",
        "augment_on": "cpu",
    }
    return {"metadata": metadata, "model": create("c1c2c3c40", num_classes=2, **options).state_dict()}


TENSORS = st.sampled_from(
    [
        torch.zeros(3),
        torch.zeros(0, dtype=torch.int8),
        torch.eye(3).to_sparse(),
        torch.ones(1, dtype=torch.complex64),
        torch.full((2, 2), float("nan")),
        torch.zeros(1).expand(10**9),
    ]
)


@fuzz
@given(st.data())
def test_checkpoints_of_strangers(checkpoint: dict[str, Any], data: st.DataObject) -> None:
    state = {"metadata": dict(checkpoint["metadata"]), "model": dict(checkpoint["model"])}
    kind = data.draw(st.sampled_from(["metadata", "weights", "whole", "bytes"]))
    if kind == "metadata":
        state["metadata"][data.draw(st.sampled_from(sorted(state["metadata"])))] = data.draw(JSON)
    elif kind == "weights":
        state["model"][data.draw(st.sampled_from([*state["model"], "more"]))] = data.draw(TENSORS | SCALARS)
    elif kind == "whole":
        state = data.draw(st.dictionaries(st.sampled_from(["metadata", "model", "ema", "x"]), JSON | TENSORS))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.pt"
        save_checkpoint(path, state)
        raw = bytearray(path.read_bytes())
        if kind == "bytes":
            place = data.draw(st.integers(0, len(raw) - 1))
            raw = raw[:place] if data.draw(st.booleans()) else raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
            path.write_bytes(raw)
        only_clear_errors(lambda: load(path))
        assert path.read_bytes() == raw
        assert [entry.name for entry in Path(folder).iterdir()] == ["a.pt"]


def test_an_unspoilt_checkpoint_is_restored(checkpoint: dict[str, Any], tmp_path: Path) -> None:
    """What the fuzzing above starts from is good: its errors are those of the changes."""
    save_checkpoint(tmp_path / "a.pt", checkpoint)
    assert load(tmp_path / "a.pt").metadata.arch == "c1c2c3c40"
    assert load_checkpoint(tmp_path / "a.pt").keys() == checkpoint.keys()


def test_a_checkpoint_cannot_choose_the_code_that_is_run(checkpoint: dict[str, Any], tmp_path: Path) -> None:
    target = tmp_path / "precious.txt"
    target.write_text("precious")
    harm = {"arch": "logging:basicConfig", "arch_options": {"filename": str(target), "filemode": "w", "force": True}}
    save_checkpoint(tmp_path / "a.pt", checkpoint | {"metadata": checkpoint["metadata"] | harm})
    with pytest.raises(
        EmberfieldError, match=r"'logging:basicConfig', which is not registered: add --arch logging:basi"
    ):
        load(tmp_path / "a.pt")
    assert target.read_text() == "precious"


ARRAYS = st.sampled_from(
    [
        np.zeros((4, 8, 8, 3), np.uint8),
        np.zeros((4, 8, 8), np.uint8),
        np.zeros((4, 8, 8, 2), np.uint8),
        np.zeros((0, 8, 8, 3), np.uint8),
        np.zeros((4, 8, 8, 3)),
        np.arange(4),
        np.arange(4)[:, None],
        np.array([0, 1, 2, 10**12]),
        np.array([-1, 0, 1, 2]),
        np.array(["a", "b", "c", "d"]),
        np.array(3),
        np.zeros((4, 1, 10**3, 3), np.uint8),
    ]
)


@fuzz
@given(
    st.dictionaries(st.sampled_from(["x_train", "y_train", "x_test", "y_test", "class_names", "z"]), ARRAYS), st.data()
)
def test_npz_files(arrays: dict[str, Any], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.npz"
        np.savez(path, **arrays)
        if data.draw(st.booleans()):
            raw = bytearray(path.read_bytes())
            for _ in range(data.draw(st.integers(1, 3))):
                raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
            path.write_bytes(raw)
        before = path.read_bytes()
        only_clear_errors(lambda: open_named(path, Preprocessing(8), Path(folder) / "cache"))
        assert path.read_bytes() == before


GOOD = cv2.imencode(".png", np.full((9, 9, 3), 100, np.uint8))[1].tobytes()
JPEG = cv2.imencode(".jpg", np.full((9, 9, 3), 100, np.uint8))[1].tobytes()


@fuzz
@given(
    st.dictionaries(
        st.tuples(
            st.sampled_from(["train", "test", "other", "train/a", "train/b", "test/a", "test/b", "train/a/deep"]),
            st.sampled_from(["1.png", "2.png", "3.jpg", "4.JPG", "notes.txt", ".hidden.png", "a b\n.png"]),
        ),
        st.sampled_from([GOOD, JPEG, GOOD[:-20], JPEG[:-2], b"", b"text"]) | st.binary(max_size=30),
        max_size=10,
    )
)
def test_data_folders(files: dict[tuple[str, str], bytes]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        folder.mkdir()
        for (place, name), content in files.items():
            (folder / place).mkdir(parents=True, exist_ok=True)
            (folder / place / name).write_bytes(content)
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        only_clear_errors(lambda: open_named(folder, Preprocessing(8), Path(scratch) / "cache"))
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
