"""Knowledge distillation (Hinton, Vinyals and Dean 2015)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional

from framework.data.statistics import Statistics, normalizer


def distillation_loss(logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """How far a student's logits (N, classes) are from its teacher's, a scalar: 0 where they agree.

    The divergence from the teacher's to the student's distribution, both softened by the temperature T, as a mean over
    the images; times T squared, so that its gradient is of the same size at any temperature (Hinton et al. 2015,
    section 2).
    """
    student = functional.log_softmax(logits / temperature, dim=1)
    teacher = functional.log_softmax(teacher_logits / temperature, dim=1)
    divergence = functional.kl_div(student, teacher, reduction="batchmean", log_target=True)
    return divergence * temperature**2


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """Trained networks that give soft targets for every training image, as it was augmented for the student.

    Each of several takes its part of a batch, so that they cost no more than one. As an epoch's order is random, over
    time the student follows the mean of their distributions (Fukuda et al. 2017, "Efficient knowledge distillation from
    an ensemble of teachers", where the teacher changes with the batch).

    `networks` are in evaluation mode and on the images' device; each takes images normalised by its own `statistics`.
    `alpha`, from 0 to 1, is the weight of the distillation loss.
    """

    networks: Sequence[nn.Module]
    statistics: Sequence[Statistics]
    alpha: float
    temperature: float

    @cached_property
    def normalized(self) -> list[Callable[[Tensor], Tensor]]:
        """Their normalizers, made once: a step that is captured as a graph may not copy to a GPU."""
        return [
            normalizer(statistics, next(network.parameters()).device)
            for network, statistics in zip(self.networks, self.statistics, strict=True)
        ]

    def compiled(self) -> "Teacher":
        """The same with its networks compiled by torch.compile, for parts of a constant size."""
        # The default takes a part's size, after the student's whole batch, for a size that varies.
        networks: list[nn.Module] = [torch.compile(network, dynamic=False) for network in self.networks]  # type: ignore[misc]
        return replace(self, networks=networks)

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Each network's logits for its part, (N, classes) in float32, of uint8 images (N, H, W, C) on the device."""
        parts = images.tensor_split(len(self.networks))
        logits = [
            network(normalized(part))
            for network, normalized, part in zip(self.networks, self.normalized, parts, strict=True)
            if len(part)
        ]
        return torch.cat(logits).float()

    def loss(self, label_loss: Tensor, logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """(1 - alpha) times the labels' loss plus alpha times the distillation loss, a scalar."""
        distilled = distillation_loss(logits, teacher_logits, self.temperature)
        return (1 - self.alpha) * label_loss + self.alpha * distilled
