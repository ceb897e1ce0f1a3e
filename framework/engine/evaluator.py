"""The evaluation of a network as an Ignite engine."""

from collections.abc import Collection, Mapping

import torch
from ignite.engine import Engine
from ignite.metrics import Accuracy, Loss, Metric
from torch import Tensor, nn

from framework.data.rendering import Batch
from framework.data.statistics import Statistics, normalizer
from framework.engine.precision import forward_pass
from framework.engine.trainer import silenced
from framework.errors import NonFiniteError


def make_evaluator(
    model: nn.Module,
    *,
    statistics: Statistics,
    device: torch.device,
    precision: str,
    plain_ops: Collection[str] = (),
    metrics: Mapping[str, Metric] | None = None,
) -> Engine:
    """An engine that leaves `state.metrics` with 'accuracy' (a share), 'loss' (cross entropy, without smoothing).

    Further `metrics` are attached by their names. The output for a batch is (logits as float32 on the device, labels).
    """
    normalized = normalizer(statistics, device)

    @torch.no_grad()
    def step(engine: Engine, batch: Batch) -> tuple[Tensor, Tensor]:
        model.eval()
        images, labels = (tensor.to(device, non_blocking=True) for tensor in batch)
        with forward_pass(device, precision, plain_ops):
            logits = model(normalized(images))
        return logits.float(), labels

    evaluator = silenced(Engine(step))
    Accuracy(device=device).attach(evaluator, "accuracy")
    Loss(nn.functional.cross_entropy, device=device).attach(evaluator, "loss")
    for name, metric in (metrics or {}).items():
        metric.attach(evaluator, name)
    return evaluator


def require_finite(evaluator: Engine, where: str) -> None:
    """Raises NonFiniteError, naming `where`, if a metric is not finite: then the weights are not either."""
    for name, value in evaluator.state.metrics.items():
        if not torch.as_tensor(value).isfinite().all():
            raise NonFiniteError(f"{where}: {name} {value}; the weights are not finite. Try a smaller --lr")
