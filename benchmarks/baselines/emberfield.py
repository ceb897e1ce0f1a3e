"""This framework's `train` as a user runs it: the recipe, with its run directory and logs.

Checkpoints in mid-epoch, which the others do not write, are left out.
"""

import dataclasses
import tempfile
from pathlib import Path

from ignite.engine import Events

from benchmarks.baselines.setup import Clock, Setup
from framework.checkpoint.training_state import TrainingState


class Measured(Exception):
    """Ends a training that has been measured."""


def run(setup: Setup) -> None:
    """Trains until the clock has measured."""
    clock = Clock(setup)

    def count() -> None:
        if clock():
            raise Measured

    def attach(state: TrainingState) -> None:
        state.trainer.add_event_handler(Events.ITERATION_COMPLETED, count)

    experiment = dataclasses.replace(setup.experiment, handlers={"clock": attach})
    with tempfile.TemporaryDirectory() as folder:
        try:
            experiment.train(
                Path(folder) / "run",
                data=setup.images,
                device=str(setup.device),
                precision=setup.precision,
                epochs=1,
                batch_size=setup.batch,
                lr=0.01,
                workers=setup.workers,
                augment_on="cpu" if setup.workers else "auto",
                compile=setup.device.type == "cuda",
                checkpoint_every=str(10**9),
            )
        except Measured:
            return
    raise RuntimeError("the epoch ended before it was measured: more images are needed")
