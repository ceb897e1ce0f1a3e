"""Imported by the server that the processes are forked from, which has not to be done again by each of them."""

from tests.warm_python import AHEAD, import_ahead

OURS = (
    *("recipes.s7_cifar", "framework.experiment.training", "framework.experiment.artifacts"),
    *("framework.checkpoint.resume", "framework.engine.fit", "framework.run.logs", "framework.inspection"),
    *("framework.data.augment.alternating_flip", "framework.data.augment.torchvision_policies"),
    *("architectures", "tests.reliability.networks"),
)

import_ahead((*AHEAD, *OURS))
