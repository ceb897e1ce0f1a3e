"""Which training images make up the batch of a step."""

from dataclasses import dataclass

from framework.data.image_data import Labels
from framework.errors import DataError
from framework.seeding import epoch_order


@dataclass(frozen=True, kw_only=True)
class TrainingSampler:
    """The samples of every training step, a function of the step alone, so that a run can start at any step.

    An epoch visits `indices` in the order of (seed, epoch) and leaves out the last `len(indices) % batch_size` of that
    order, other ones each time; `limit` cuts it off after so many steps. Of `world_size` processes, each takes its part
    of a batch. Raises DataError if there are fewer images than one batch.
    """

    indices: Labels
    batch_size: int
    seed: int
    limit: int | None = None
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if len(self.indices) < self.batch_size:
            raise DataError(f"a batch of {self.batch_size} needs more than the {len(self.indices)} training images")

    @property
    def epoch_length(self) -> int:
        """Steps in an epoch."""
        whole = len(self.indices) // self.batch_size
        return whole if self.limit is None else min(whole, self.limit)

    def samples(self, step: int) -> Labels:
        """The samples (batch_size,) of a step over all processes; steps are counted from 0 over all epochs."""
        epoch, batch = divmod(step, self.epoch_length)
        order = epoch_order(self.seed, epoch, len(self.indices))
        return self.indices[order[batch * self.batch_size : (batch + 1) * self.batch_size]]

    def own_samples(self, step: int) -> Labels:
        """This process's part of them."""
        return self.samples(step)[self.rank :: self.world_size]
