"""How commit edbacf6 is asked to train. That commit does not change, so neither does this file."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn


def train(settings: Mapping[str, Any], folder: Path, observe: Callable[..., None]) -> None:
    """Trains as the recipe's own command does, in `folder`; `observe` gets the parts before the first step."""
    from framework import training
    from framework.run_directory import RunDirectory
    from framework.stopping import Stop
    from recipes import s7_cifar

    fit = training.fit

    def observed_fit(state: Any, *arguments: Any, **options: Any) -> None:
        average = None if state.ema is None else state.ema.module
        observe(trainer=state.trainer, model=state.model, ema=average, optimizer=state.optimizer)
        fit(state, *arguments, **options)

    training.fit = observed_fit
    try:
        s7_cifar.train(s7_cifar.DEFAULTS.updated(settings), RunDirectory(folder), Stop(), print)
    finally:
        training.fit = fit


def step_loss(output: Any) -> float:
    """The loss in the trainer's output for a step."""
    return float(output[0])


def evaluations(folder: Path) -> list[float]:
    """Loss and accuracy on the held-out images after each epoch, then on the test images, of a finished run."""
    epochs = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    results = json.loads((folder / "results.json").read_text())
    validations = [epoch[name] for epoch in epochs for name in ("val_loss", "val_accuracy")]
    return [*validations, results["test_loss"], results["test_accuracy"]]


def pretrained(name: str) -> nn.Module:
    """A network with its published weights."""
    from architectures import create

    return create(name, pretrained=True)
