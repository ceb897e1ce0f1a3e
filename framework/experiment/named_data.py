"""The images that a trained network is tested on: those that the user names, or those of its run."""

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
    run = run_of(model)
    try:
        images = _trained_on(experiment, saved_config(run.config).data if run else DataConfig(), model)
    except DataError as error:
        raise DataError(f"{error}; name the images with --data") from error
    if run:
        require_same_images(images, model)
    return images


def run_of(model: LoadedModel) -> RunDirectory | None:
    """The run that a network was loaded from."""
    return next((RunDirectory(path) for path in model.source.parents[:2] if RunDirectory(path).config.is_file()), None)


def own_images(experiment: "Experiment", data: DataConfig) -> ImageData | None:
    """An experiment's own images, unless the settings name others."""
    if experiment.data is None or data.data:
        return None
    return experiment.data() if callable(experiment.data) else experiment.data


def require_same_images(images: ImageData, model: LoadedModel) -> None:
    """Raises DataError for other images than those that a network was trained on."""
    if images.fingerprint() != model.metadata.data_hash:
        raise DataError(
            f"{images.name} is not what {model.source} was trained on, {printable(model.metadata.data)}: name the "
            "images with --data"
        )


def _trained_on(experiment: "Experiment", data: DataConfig, model: LoadedModel) -> ImageData:
    """The images that the settings of a run name, or those by the name that the run kept where they name none.

    So the digits, which stand in for CIFAR-10 in a training, stand in for nothing afterwards. Raises DataError for
    images that were in memory.
    """
    if (images := own_images(experiment, data)) is not None:
        return images
    kept = model.metadata.data
    if data.data is None and kept not in dataset_names():
        raise DataError(f"the run was trained on {printable(kept)}, which has no name here")
    return open_named(kept if data.data is None else data.data, model.metadata.preprocessing)
