"""Learning from a trained network's answers beside the labels: distillation (Hinton, Vinyals and Dean 2015)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional

from framework.data import Statistics, normalizer
from framework.precision import arithmetic


def distillation_loss(logits: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """How far a student's logits (N, classes) are from its teacher's `answers`, a scalar: 0 where they agree.

    The divergence from the teacher's to the student's distribution, both softened by the temperature T, as a mean over
    the images; times T squared, so that its gradient is of the same size at any temperature (Hinton et al. 2015,
    section 2).
    """
    student = functional.log_softmax(logits / temperature, dim=1)
    teacher = functional.log_softmax(answers / temperature, dim=1)
    divergence = functional.kl_div(student, teacher, reduction="batchmean", log_target=True)
    return divergence * temperature**2


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """Trained networks that are asked about every training image, as it was augmented for the student.

    `networks` are in evaluation mode and on the images' device; each takes images normalised by its own `statistics`.
    `weight`, from 0 to 1, is the share of their answers in the loss, the labels' is the rest.
    """

    networks: Sequence[nn.Module]
    statistics: Sequence[Statistics]
    weight: float
    temperature: float

    @cached_property
    def normalized(self) -> list[Callable[[Tensor], Tensor]]:
        """Their `framework.data.normalizer`s, made once: a step that is captured as a graph may not copy to a GPU."""
        return [
            normalizer(statistics, next(network.parameters()).device)
            for network, statistics in zip(self.networks, self.statistics, strict=True)
        ]

    @torch.no_grad()
    def answers(self, images: Tensor, precision: str) -> Tensor:
        """The mean of their logits (N, classes) in float32, for uint8 images (N, H, W, C) on their device.

        So the answer of several is the geometric mean of their distributions (Hinton et al. 2015, section 1).
        """
        with arithmetic(images.device, precision):
            logits = [
                network(normalized(images)) for network, normalized in zip(self.networks, self.normalized, strict=True)
            ]
        return torch.stack([each.float() for each in logits]).mean(0)

    def mixed(self, loss: Tensor, logits: Tensor, images: Tensor, precision: str) -> Tensor:
        """The loss to minimise, from the `loss` by the labels and a student's logits for these images."""
        taught = distillation_loss(logits, self.answers(images, precision), self.temperature)
        return (1 - self.weight) * loss + self.weight * taught
