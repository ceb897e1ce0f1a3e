import hashlib
import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from framework.checkpoint import file_format as module
from framework.checkpoint.file_format import is_former, load_checkpoint, load_weights, save_checkpoint
from framework.checkpoint.metadata import ModelMetadata
from framework.errors import CheckpointError


def test_round_trip(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.pt", {"x": torch.arange(3), "y": [1, 2.5, "z", None, True]})
    state = load_checkpoint(tmp_path / "a.pt")
    assert torch.equal(state["x"], torch.arange(3))
    assert state["y"] == [1, 2.5, "z", None, True]
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


@pytest.mark.parametrize("call", ["save", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, {"x": 1})

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*{"save": (torch, "save"), "fsync": (os, "fsync"), "replace": (Path, "replace")}[call], fail)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(path, {"x": 2})
    monkeypatch.undo()
    assert load_checkpoint(path)["x"] == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pt"]


def test_the_file_and_its_folder_reach_the_disk_around_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), real_fsync(fd))[1])
    monkeypatch.setattr(Path, "replace", lambda a, b: (calls.append("replace"), real_replace(a, b))[1])
    save_checkpoint(tmp_path / "a.pt", {"x": 1})
    assert calls == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 almost a zip", module.MAGIC[:-2]])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.pt is not a checkpoint: it does not begin with 'emberfield"):
        load_checkpoint(tmp_path / "a.pt")


def test_every_cut_and_every_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, {"x": torch.arange(100)})
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for place in generator.integers(0, len(whole), 200).tolist():
        path.write_bytes(whole[:place])
        with pytest.raises(CheckpointError, match=r"a\.pt is (damaged|not a checkpoint)"):
            load_checkpoint(path)
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(generator.integers(8))
        path.write_bytes(flipped)
        with pytest.raises(CheckpointError, match=r"a\.pt is (damaged|not a checkpoint)"):
            load_checkpoint(path)
    path.write_bytes(whole)
    assert load_checkpoint(path)["x"].sum() == 4950


def made_by_a_stranger(path: Path, state: object, magic: bytes = module.MAGIC) -> Path:
    """A file that proves whole, with any content."""
    payload = io.BytesIO()
    torch.save(state, payload)
    digest = hashlib.sha256(payload.getvalue()).hexdigest().encode()
    path.write_bytes(magic + digest + b"\n" + payload.getvalue())
    return path


def test_a_missing_file_a_folder_and_a_foreign_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "none.pt")
    with pytest.raises(CheckpointError, match="cannot be read: Is a directory"):
        load_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="is not a checkpoint of ours: it holds a list"):
        load_checkpoint(made_by_a_stranger(tmp_path / "list.pt", [1, 2]))


class Harmful:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_nothing_in_a_file_is_ever_run(tmp_path: Path) -> None:
    target = tmp_path / "harmed"
    with pytest.raises(CheckpointError, match="is not a checkpoint of ours: Weights only load failed"):
        load_checkpoint(made_by_a_stranger(tmp_path / "bad.pt", {"x": Harmful(target)}))
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Harmful(target)))
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "plain.pt")
    assert not target.exists()


def test_weights_that_do_not_fit_are_named() -> None:
    model = nn.Linear(3, 2)
    with pytest.raises(CheckpointError, match="here is of another architecture: bias: the checkpoint lacks it"):
        load_weights(model, {"weight": torch.zeros(2, 3)}, "here")
    with pytest.raises(CheckpointError, match="scale: the network lacks it"):
        load_weights(model, model.state_dict() | {"scale": torch.zeros(1)}, "here")
    with pytest.raises(CheckpointError, match=r"weight has shape \(3, 3\) .*, the network's has \(2, 3\)"):
        load_weights(model, {"bias": torch.zeros(2), "weight": torch.zeros(3, 3)}, "here")


@pytest.mark.parametrize("content", [None, {"arch": "a"}, "text"])
def test_metadata_that_is_not_whole_is_refused(content: object) -> None:
    with pytest.raises(CheckpointError, match="x does not describe its network"):
        ModelMetadata.parse(content, "x")


def test_a_checkpoint_of_the_former_format_is_read_with_todays_names(tmp_path: Path) -> None:
    path = made_by_a_stranger(tmp_path / "old.pt", {"description": {"arch": "a"}, "iteration": 3}, module.FORMER)
    assert is_former(path)
    assert load_checkpoint(path) == {"metadata": {"arch": "a"}, "iteration": 3}
    save_checkpoint(tmp_path / "new.pt", {"metadata": {}})
    assert not is_former(tmp_path / "new.pt")
