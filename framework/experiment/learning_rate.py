"""The learning rate looked for: as a command of its own, and before a training."""

import functools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from torch import nn

from framework.checkpoint.training_state import TrainingState
from framework.config import Config
from framework.data.data_module import DataModule, preprocessing_of, setup
from framework.data.registry import open_named
from framework.distributed import SINGLE_PROCESS
from framework.engine.lr_finder import RateRange, RateTest, range_test
from framework.engine.network_trial import require_trainable_network
from framework.engine.training import Extensions, make_training
from framework.errors import EmberfieldError
from framework.experiment.artifacts import describe
from framework.experiment.initial_weights import begin_with_trained
from framework.experiment.named_data import own_images
from framework.experiment.teachers import as_teacher, load_teachers
from framework.report.rate_test import save_rate_test
from framework.run.directory import RunDirectory
from framework.run.environment import choose_device
from framework.run.signals import Stop

if TYPE_CHECKING:
    from framework.experiment.experiment import Experiment

logger = logging.getLogger(__name__)

PICTURES = (".png", ".svg")
RANGE = ("start", "end", "steps")


def find_rate(experiment: "Experiment", out: Path, asked: Mapping[str, Any]) -> RateTest:
    """Trains at rising rates, and suggests a tenth of the one with the lowest loss; `out`, a picture, shows it.

    `asked` may have 'start', 'end' and 'steps' (see `RateRange`), 'preset' and 'files' as `Experiment.settings` takes
    them, and settings, of which 'data' may be images in memory. Nothing else is kept.
    """
    from framework.experiment.training import build_network

    preset, files = asked.get("preset"), asked.get("files", ())
    rates = RateRange(**{name: asked[name] for name in RANGE if name in asked})
    settings = {name: value for name, value in asked.items() if name not in (*RANGE, "preset", "files")}
    if out.suffix not in PICTURES:
        raise EmberfieldError(f"the picture {out} has to end in {' or '.join(PICTURES)}")
    images = None if isinstance(settings.get("data"), (str, Path, NoneType)) else settings.pop("data")
    config = experiment.settings(settings, preset=preset, files=files)
    device, networks = choose_device(config.machine.device), experiment.package()
    given = own_images(experiment, config.data) if images is None else open_named(images, preprocessing_of(config))
    data = setup(config, given)
    network, _ = build_network(config, data, networks, device)
    begin_with_trained(network, config, data.data, networks, device)
    require_trainable_network(network, config, data, device, SINGLE_PROCESS, experiment.loss_terms)
    teachers = load_teachers(config, RunDirectory(out.parent), data.data, networks, device, begun=False)
    make = functools.partial(
        make_training,
        device=device,
        metadata=describe(config, data, network, device),
        teacher=as_teacher(teachers, config),
        extensions=Extensions(loss_terms=experiment.loss_terms),
    )
    found = range_test(network, config, data, make, rates=rates)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_found(out, config, data, found)
    return found


def with_found_rate(
    network: nn.Module,
    config: Config,
    data: DataModule,
    make: Callable[..., TrainingState],
    stop: Stop | None,
) -> tuple[Config, RateTest | None]:
    """The configuration with a rate where it says that one is to be found, and how it was; as it is elsewhere.

    Raises as `range_test` does.
    """
    if config.optimization.lr != "find":
        return config, None
    found = range_test(network, config, data, make, stop=stop)
    logger.info("learning rate %.4g, found in %d steps", found.suggestion, len(found.rates))
    return config.updated({"lr": found.suggestion}), found


def save_found(path: Path, config: Config, data: DataModule, found: RateTest) -> None:
    """Saves the picture of a test."""
    title = f"{config.network.arch} on {data.data.name}, {config.optimization.optimizer}"
    save_rate_test(path, found.rates, found.losses, found.suggestion, title)
