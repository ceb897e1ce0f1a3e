"""Checkpoints: written whole or not at all, proved whole when they are read, and unable to do harm.

A file is a line that names the format, the SHA-256 of the rest as a line of 64 hexadecimal digits, and what
`torch.save` makes of a dict of tensors and plain values.
"""

import hashlib
import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from framework.errors import CheckpointError, UnreadableError
from framework.ops.fake_quantize import RANGES
from framework.run.atomic import write_bytes

MAGIC = b"emberfield checkpoint 3\n"
"""The first line of every checkpoint."""

FORMER = b"emberfield checkpoint 2\n"
"""That of commit edbacf6, which is read too; any other is refused."""

FORMER_COMMIT = "edbacf6"
"""The commit that goes on with a run whose checkpoints are of the former format."""


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Writes tensors and plain values to `path`, all or nothing; raises OSError as `atomic.write_bytes` does."""
    payload = io.BytesIO()
    torch.save(dict(state), payload)
    content = payload.getvalue()
    write_bytes(path, MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n" + content)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads what `save_checkpoint` wrote, onto the CPU; nothing in the file is ever run.

    One of the former format comes with today's names.

    Raises CheckpointError for a file that is missing, not a checkpoint of this format, or not as it was written, and
    UnreadableError, which is one too, where that cannot be told.
    """
    content = _read(path)
    if not content.startswith((MAGIC, FORMER)):
        raise CheckpointError(f"{path} is not a checkpoint: it does not begin with {MAGIC.decode().strip()!r}")
    digest, _, payload = content[len(MAGIC) :].partition(b"\n")
    if hashlib.sha256(payload).hexdigest().encode() != digest:
        raise CheckpointError(f"{path} is damaged: its SHA-256 is not the one that it was written with")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of files that it goes on to refuse
            state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # whole but made by someone else: torch can stumble over it in any way
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} is not a checkpoint of ours: {reason}") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} is not a checkpoint of ours: it holds a {type(state).__name__}")
    if content.startswith(FORMER):
        return {"metadata" if key == "description" else key: value for key, value in state.items()}
    return state


def is_former(path: Path) -> bool:
    """Whether a file is a checkpoint of the former format."""
    return _read(path, len(FORMER)) == FORMER


def load_weights(model: nn.Module, weights: object, source: str) -> None:
    """Copies a state dict into a model, which gets the ranges of a training that simulated int8 as a buffer.

    Raises CheckpointError, naming the first mismatch, if they do not fit.
    """
    if not isinstance(weights, dict) or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        raise CheckpointError(f"{source} holds no weights")
    own = model.state_dict()
    if RANGES in weights and RANGES not in own:
        model.register_buffer(RANGES, own.setdefault(RANGES, torch.empty_like(weights[RANGES])))
    missing = sorted(map(str, own.keys() ^ weights.keys()))
    if missing:
        where = "the network lacks it" if missing[0] in weights else "the checkpoint lacks it"
        raise CheckpointError(f"{source} is of another architecture: {missing[0]}: {where}")
    for name, tensor in weights.items():
        if tensor.shape != own[name].shape or tensor.dtype != own[name].dtype:
            raise CheckpointError(
                f"{source} is of another architecture: {name} has shape {tuple(tensor.shape)} ({tensor.dtype}), "
                f"the network's has {tuple(own[name].shape)} ({own[name].dtype})"
            )
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:  # tensors of a layout that cannot be copied
        raise CheckpointError(f"{source} holds weights that cannot be used: {str(error).splitlines()[0]}") from error


def _read(path: Path, size: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}") from None
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror}") from error
