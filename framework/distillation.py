"""Learning from a trained network's answers beside the labels: distillation (Hinton, Vinyals and Dean 2015)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
    """Trained networks, one of which is asked about every training image, as it was augmented for the student.

    Each of several answers about its share of a batch, so they cost no more than one does. As an epoch's order is
    random, in the long run the student follows the mean of their distributions (Fukuda et al. 2017, "Efficient
    knowledge distillation from an ensemble of teachers", where the teacher changes with the batch).

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

    def compiled(self) -> "Teacher":
        """The same with its networks compiled by torch.compile, for shares of a constant size."""
        # The default would take one share's size after the batch's of the student for a size that varies.
        networks: list[nn.Module] = [torch.compile(network, dynamic=False) for network in self.networks]  # type: ignore[misc]
        return replace(self, networks=networks)

    @torch.no_grad()
    def answers(self, images: Tensor, precision: str) -> Tensor:
        """Each network's logits for its share, (N, classes) in float32, of uint8 images (N, H, W, C) on the device."""
        shares = images.tensor_split(len(self.networks))
        with arithmetic(images.device, precision):
            logits = [
                network(normalized(share))
                for network, normalized, share in zip(self.networks, self.normalized, shares, strict=True)
                if len(share)
            ]
        return torch.cat(logits).float()

    def mixed(self, loss: Tensor, logits: Tensor, images: Tensor, precision: str) -> Tensor:
        """The loss to minimise, from the `loss` by the labels and a student's logits for these images."""
        taught = distillation_loss(logits, self.answers(images, precision), self.temperature)
        return (1 - self.weight) * loss + self.weight * taught
