"""Our recipe on the same digits: python -m benchmarks.survivors.emberfield FOLDER trains, or goes on."""

import sys
from pathlib import Path

import torch

from benchmarks.survivors.task import BATCH, EPOCHS, EVERY, finish, network
from framework.checkpoint.file_format import load_checkpoint
from framework.checkpoint.generations import Generations
from recipes.s7_cifar import main as recipe


def small(*, num_classes: int, in_channels: int = 3) -> torch.nn.Module:
    """The network of the task, for images of three channels."""
    model = network()
    model[0] = torch.nn.Conv2d(in_channels, 16, 3, 1, 1)
    return model


def main(folder: Path) -> None:
    """The recipe's own command with --resume."""
    options = ["--dataset", "digits", "--image-size", "8", "--arch", "benchmarks.survivors.emberfield:small"]
    options += ["--unconstrained", "--epochs", str(EPOCHS), "--batch-size", str(BATCH), "--device", "cpu"]
    options += [
        "--checkpoint-every",
        str(EVERY),
        "--transforms",
        '[{"name": "HorizontalFlip"}]',
        "--precision",
        "float32",
    ]
    recipe([*options, "--out", str(folder / "run"), "--resume"], standalone_mode=False)
    model = small(num_classes=10)
    model.load_state_dict(load_checkpoint(Generations(folder / "run" / "checkpoints").paths()[0])["model"])
    finish(folder, model)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
