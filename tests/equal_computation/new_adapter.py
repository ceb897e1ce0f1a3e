"""How the working tree is asked to train: the only file here that follows its API."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

RENAMED = {
    "holdout": "val_size",
    "unconstrained": "no_constraints",
    "kernel_lr": "muon_lr",
    "kernel_weight_decay": "muon_weight_decay",
    "teacher_weight": "distill_alpha",
    "temperature": "distill_temperature",
}
"""Settings that `cases` calls as edbacf6 did, and their names in this tree."""


def train(settings: Mapping[str, Any], folder: Path, observe: Callable[..., None]) -> None:
    """Trains as the recipe's own command does, in `folder`; `observe` gets the parts before the first step."""
    import dataclasses

    from recipes.s7_cifar import EXPERIMENT

    def attach(state: Any) -> None:
        average = None if state.ema is None else state.ema.module
        observe(trainer=state.trainer, model=state.model, ema=average, optimizer=state.optimizer)

    changes = {RENAMED.get(name, name): value for name, value in settings.items()}
    dataclasses.replace(EXPERIMENT, handlers={"observer": attach}).train(folder / "run", **changes)


def step_loss(output: Any) -> float:
    """The loss in the trainer's output for a step."""
    return float(output[0])


def evaluations(folder: Path) -> list[float]:
    """Loss and accuracy on the held-out images after each epoch, then on the test images, of a finished run."""
    from recipes.s7_cifar import EXPERIMENT

    run = EXPERIMENT.open_run(folder / "run")
    validations = [epoch[name] for epoch in run.history for name in ("val_loss", "val_accuracy")]
    return [*validations, run.results["test_loss"], run.results["test_accuracy"]]


def pretrained(name: str) -> nn.Module:
    """A network with its published weights."""
    from architectures import create

    return create(name, pretrained=True)
