"""What the recipe adds to a training and to its report: a loss term, a metric, a handler and a section."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ignite.engine import Engine
    from torch import Tensor, nn

    from framework.checkpoint.training_state import TrainingState
    from framework.report.evidence import Evidence


def confidence_penalty(_network: "nn.Module", logits: "Tensor", _targets: "Tensor") -> "Tensor":
    """A tenth of the negative entropy of the predictions (Pereyra et al. 2017, section 3), a scalar."""
    log_p = logits.log_softmax(1)
    return 0.1 * (log_p.exp() * log_p).sum(1).mean()


def metrics() -> Mapping[str, Any]:
    """The share of images whose class is among the two most likely, as `top_2`."""
    from ignite.metrics import TopKCategoricalAccuracy

    return {"top_2": TopKCategoricalAccuracy(2)}


class HardestBatch:
    """An Ignite handler that keeps the largest loss of a batch and its step, also over a resume."""

    def __init__(self, state: "TrainingState") -> None:
        from ignite.engine import Events

        self.loss, self.step = 0.0, 0
        state.trainer.add_event_handler(Events.ITERATION_COMPLETED, self.look)

    def look(self, trainer: "Engine") -> None:
        """Called after each step."""
        loss, _share_correct = trainer.state.output
        if loss > self.loss:
            self.loss, self.step = float(loss), trainer.state.iteration

    def state_dict(self) -> dict[str, float]:
        """What is saved in a checkpoint."""
        return {"loss": self.loss, "step": self.step}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Takes it up again."""
        self.loss, self.step = state["loss"], int(state["step"])


def verdict(evidence: "Evidence") -> Sequence[str]:
    """A section of the report."""
    predictions = evidence.predictions
    return (f"{predictions.right.sum()} of {len(predictions.labels)} test images have the stripes that were seen.",)
