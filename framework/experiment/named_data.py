"""The images that a trained network is tested on: those that the user names, or those of its run."""

import dataclasses
from typing import TYPE_CHECKING

from framework.checkpoint.loaded_model import LoadedModel
from framework.config import DataConfig, saved_config
from framework.data.image_data import ImageData, Named
from framework.data.registry import dataset_names, open_named
from framework.errors import DataError
from framework.run.directory import RunDirectory
from framework.run.printable import printable

if TYPE_CHECKING:
    from framework.experiment.experiment import Experiment


def named_images(experiment: "Experiment", model: LoadedModel, data: Named) -> ImageData:
    """The images that the user names; without them, those that the network was trained on.

    Raises DataError as `open_named` does, and for a run's images that are gone or other ones.
    """
    if data is not None:
        return open_named(data, model.metadata.preprocessing)
    source = model.source
    run = next((RunDirectory(path) for path in source.parents[:2] if RunDirectory(path).config.is_file()), None)
    try:
        images = _trained_on(experiment, model, saved_config(run.config).data if run else DataConfig())
    except DataError as error:
        raise DataError(f"{error}; name the images with --data") from error
    if run and images.fingerprint() != model.metadata.data_hash:
        raise DataError(
            f"{images.name} is not what {source} was trained on, {printable(model.metadata.data)}: name the images "
            "with --data"
        )
    return images


def known_data(experiment: "Experiment", data: DataConfig, trained_on: str) -> DataConfig:
    """The settings of a run's data, by the name that the run kept where they name none.

    So the digits, which stand in for CIFAR-10 in a training, stand in for nothing afterwards. Raises DataError for
    images that were in memory.
    """
    if data.data or experiment.data is not None:
        return data
    if trained_on not in dataset_names():
        raise DataError(f"the run was trained on {printable(trained_on)}, which has no name here")
    return dataclasses.replace(data, data=trained_on)


def _trained_on(experiment: "Experiment", model: LoadedModel, data: DataConfig) -> ImageData:
    data = known_data(experiment, data, model.metadata.data)
    if experiment.data is not None and not data.data:
        return experiment.data() if callable(experiment.data) else experiment.data
    return open_named(data.data, model.metadata.preprocessing)
