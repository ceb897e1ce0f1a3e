"""Metrics of a classification beside its accuracy, by Ignite."""

import torch
from ignite.metrics import Fbeta, Metric, Recall, TopKCategoricalAccuracy

TOP = 5
"""Of how many most likely classes one has to be right for 'top_5'."""


def class_metrics(classes: int, device: torch.device) -> dict[str, Metric]:
    """Metrics for an evaluator, each a share.

    'top_5', where there are more classes than that; 'macro_f1', the mean of the classes' F1; 'class_accuracy', of the
    images of each class (classes,), 0 for a class without images.
    """
    own = {"macro_f1": Fbeta(1, device=device), "class_accuracy": Recall(average=False, device=device)}
    return {"top_5": TopKCategoricalAccuracy(TOP, device=device), **own} if classes > TOP else own
