"""Checkpoints: written so that a crash leaves the old one or the new one, read so that a file can do no harm."""

import os
import pickle
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from framework.errors import CheckpointError

FORMAT = 1
"""The version of the checkpoint's layout; another one is refused."""


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Writes tensors and plain values to `path`, all or nothing.

    A temporary file beside it is written, flushed to the disk and renamed, then the folder's entry is flushed.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save({"format": FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads what `save_checkpoint` wrote, onto the CPU; nothing in the file is ever run.

    Raises CheckpointError for a file that is missing, damaged, or not a checkpoint of this format.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of files that it goes on to refuse
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} is damaged or not a checkpoint: {reason}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format") if isinstance(state, dict) else type(state).__name__
        raise CheckpointError(f"{path} is not a checkpoint of format {FORMAT}: it has {found}")
    return state


def load_weights(model: nn.Module, weights: Mapping[str, torch.Tensor], source: str) -> None:
    """Copies a state dict into a model. Raises CheckpointError, naming the first mismatch, if they do not fit."""
    own = model.state_dict()
    missing = sorted(own.keys() ^ weights.keys())
    if missing:
        where = "the network lacks it" if missing[0] in weights else "the checkpoint lacks it"
        raise CheckpointError(f"{source} is of another architecture: {missing[0]}: {where}")
    for name, tensor in weights.items():
        if tensor.shape != own[name].shape:
            raise CheckpointError(
                f"{source} is of another architecture: {name} has shape {tuple(tensor.shape)}, "
                f"the network's has {tuple(own[name].shape)}"
            )
    model.load_state_dict(weights)
