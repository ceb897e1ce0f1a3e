"""The metrics of a run's epochs."""

from collections.abc import Sequence

EpochMetrics = dict[str, float]
"""What is known of one epoch: 'epoch', 'loss', 'accuracy', 'lr', 'seconds' and, with validation images, 'val_loss' and
'val_accuracy'. Accuracies are shares."""


def best_epoch(history: Sequence[EpochMetrics]) -> EpochMetrics | None:
    """The epoch with the best validation accuracy, of equals that with the lower loss; None before there is one."""
    validated = [metrics for metrics in history if "val_accuracy" in metrics]
    return max(validated, key=lambda metrics: (metrics["val_accuracy"], -metrics["val_loss"]), default=None)
