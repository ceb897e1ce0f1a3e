"""Our recipe on the same digits, by its own command with --resume."""

from pathlib import Path

from torch import nn

from benchmarks.resume_baselines.task import BATCH, EVERY, network
from framework.checkpoint.file_format import load_checkpoint
from framework.checkpoint.manager import checkpoint_paths
from framework.run.directory import RunDirectory
from recipes.s7_cifar import main as recipe


def small(*, num_classes: int, in_channels: int = 3) -> nn.Module:
    """The network of the task, for images of three channels."""
    return network(in_channels)


def train(folder: Path, epochs: int) -> nn.Module:
    """The network after so many epochs, from the newest checkpoint if there is one."""
    options = [
        *("--data", "digits", "--image-size", "8", "--arch", f"{__name__}:small", "--no-constraints"),
        *("--epochs", str(epochs), "--batch-size", str(BATCH), "--device", "cpu", "--precision", "float32"),
        *("--checkpoint-every", str(EVERY), "--transforms", '[{"name": "HorizontalFlip"}]'),
    ]
    recipe([*options, "--out", str(folder / "run"), "--resume"], standalone_mode=False)
    model = small(num_classes=10)
    model.load_state_dict(load_checkpoint(checkpoint_paths(RunDirectory(folder / "run"))[0])["model"])
    return model
