"""From a checkpoint, a run directory or published weights back to a network."""

import hashlib
import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from framework.checkpoint.file_format import load_checkpoint, load_weights
from framework.checkpoint.manager import checkpoint_paths
from framework.checkpoint.metadata import ModelMetadata
from framework.checkpoint.networks import Networks, create_network, is_registered, place
from framework.checkpoint.training_state import reported_weights
from framework.data.image_data import ImageData
from framework.errors import CheckpointError, DataError, EmberfieldError
from framework.run.directory import RunDirectory, require_own_files
from framework.run.printable import printable


@dataclass(frozen=True)
class LoadedModel:
    """A network with trained weights, on a device, in evaluation mode."""

    network: nn.Module
    metadata: ModelMetadata
    device: torch.device
    source: Path

    def weights_sha256(self) -> str:
        """The SHA-256 of its parameters and buffers with their names, as hexadecimal digits."""
        digest = hashlib.sha256()
        for name, tensor in self.network.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()


def find_checkpoint(path: Path) -> Path:
    """A checkpoint itself, or a run directory's best one, or its newest where there is no best.

    Raises CheckpointError if there is none, RunDirectoryError for a folder in which something is no file of its own.
    """
    run = RunDirectory(path)
    if path.is_dir():
        require_own_files(path)
    candidates = (run.best, *checkpoint_paths(run)) if path.is_dir() else (path,)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise CheckpointError(f"there is no checkpoint at {path}")


def load_model(
    networks: Networks,
    path: Path,
    device: torch.device,
    arch: str | None = None,
    *,
    trusted: Collection[str] = (),
    option: str = "--arch",
) -> LoadedModel:
    """The network of a checkpoint or run directory, with the weights that it reports.

    Only a registered architecture is made on the checkpoint's word: a file that somebody else wrote could name any
    code. Another one has to be named by `arch`, or among the `trusted` ones, which the user names by an `option`. A
    checkpoint of another architecture than `arch` raises CheckpointError, as does one whose network cannot be made.
    """
    source = find_checkpoint(path)
    checkpoint = load_checkpoint(source)
    metadata = ModelMetadata.parse(checkpoint.get("metadata"), str(source))
    if arch not in (None, metadata.arch):
        raise CheckpointError(f"{source} holds {metadata.arch!r}, not {arch!r}")
    if arch is None and metadata.arch not in trusted and not is_registered(networks, metadata.arch):
        raise CheckpointError(
            f"{source} holds {metadata.arch!r}, which is not registered: add {option} "
            f"{shlex.quote(printable(metadata.arch))} if "
            f"you trust that code. Registered: {', '.join(networks.names())}"
        )
    try:
        network = create_network(
            networks,
            metadata.arch,
            metadata.arch_options,
            num_classes=len(metadata.class_names),
            in_channels=metadata.in_channels,
        )
    except Exception as error:  # options out of a file can be anything
        raise CheckpointError(f"the network of {source} cannot be made: {error}") from error
    load_weights(network, reported_weights(checkpoint), str(source))
    return LoadedModel(place(network, device).eval(), metadata, device, source)


def load_pretrained(networks: Networks, name: str, device: torch.device) -> LoadedModel:
    """The network of published weights. Raises as `networks.create` does."""
    weights = networks.pretrained_weights(name)
    metadata = ModelMetadata.parse(weights.description, str(weights.path))
    network = networks.create(name, num_classes=len(metadata.class_names), pretrained=True)
    return LoadedModel(place(network, device).eval(), metadata, device, weights.path)


def load_named(
    networks: Networks, name: str, device: torch.device, *, what: str, trusted: Collection[str] = (), option: str
) -> LoadedModel:
    """Published weights by name, a run directory or a checkpoint; `what` they are to be stands in errors.

    Raises EmberfieldError for a name of none of them, and as `load_model` does, with its `trusted` and `option`.
    """
    if name in networks.PRETRAINED:
        return load_pretrained(networks, name, device)
    if Path(name).exists():
        return load_model(networks, Path(name), device, trusted=trusted, option=option)
    valid = f"a run, a checkpoint, or one of {', '.join(sorted(networks.PRETRAINED))}"
    if re.fullmatch(r"[\w.]+:[\w.]+", name):
        raise EmberfieldError(
            f"the {what} {name!r} is code without trained weights: train it, then name its run. Valid: {valid}"
        )
    raise EmberfieldError(f"there is no {what} {name!r}. Valid: {valid}")


def require_same_classes(model: LoadedModel, data: ImageData) -> None:
    """Raises DataError for images of other classes or channels than the network's."""
    metadata = model.metadata
    if list(data.class_names) != metadata.class_names:
        raise DataError(
            f"{data.name} has the classes {_listed(data.class_names)}; {model.source} was trained on "
            f"{_listed(metadata.class_names)}: name others with --data"
        )
    if data.channels != metadata.in_channels:
        raise DataError(f"{data.name} has {data.channels} channels; {model.source} takes {metadata.in_channels}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(printable(name) for name in names[:12])
