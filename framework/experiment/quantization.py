"""A network exported in int8: which images it is calibrated on, and which it is judged by."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from framework.checkpoint.loaded_model import LoadedModel, require_same_classes
from framework.config import saved_config
from framework.config.declaration import parse_size
from framework.data.checks import shared_images
from framework.data.data_module import split_images
from framework.data.image_data import ImageData, Labels, Named
from framework.data.registry import open_named
from framework.errors import DataError
from framework.experiment.named_data import named_images, require_same_images, run_of
from framework.export.agreement import check_format, evenly_spread
from framework.export.int8 import (
    CALIBRATION_IMAGES,
    MAX_DROP,
    Int8Export,
    Labelled,
    require_int8,
    split_calibration,
    write_int8,
)
from framework.inspection.flash import FORMAT_OF

if TYPE_CHECKING:
    from framework.experiment.experiment import Experiment


def export_int8(
    experiment: "Experiment",
    network: Any,
    out: Path,
    format: str,
    *,
    calibration: Named = None,
    calibration_images: int = CALIBRATION_IMAGES,
    max_drop: float = MAX_DROP,
    test: bool = False,
    data: Named = None,
    arch: str | None = None,
    seed: int = 0,
) -> Int8Export:
    """Writes a network in int8 as 'onnx', 'litert' or 'executorch', and what is known of it to `out`.json.

    It is calibrated on `calibration_images` of the `calibration` images, or of those that its run held out, drawn by
    the seed, at most half of them; and judged by the other held-out images, or by the other `calibration` images where
    the run held out none. AccuracyError is raised where int8 costs more than `max_drop` points there. `data` is where
    the run's images lie now; with `test` the accuracy on its test images is reported. A file of the format that the
    run's constraints are about, and of more bytes than their `max_flash`, is a ConstraintError.

    Raises as `check_format`, `load_network`, `named_images` and `write_int8` do, and DataError where there are no
    images but those that the network was trained on.
    """
    require_int8(format)
    check_format(format, out)
    model = experiment.load(network, arch=arch, device="cpu")
    calibrated, judged = chosen_images(experiment, model, data, calibration, calibration_images, seed)
    reported = _test_images(model, named_images(experiment, model, data)) if test else None
    most = _max_flash(model, format)
    return write_int8(model, format, out, calibrated, judged, max_drop=max_drop, max_flash=most, test=reported)


def _max_flash(model: LoadedModel, format: str) -> int | None:
    """What the network's run declared of a file of this format, in bytes."""
    if (run := run_of(model)) is None:
        return None
    declared = saved_config(run.config).constraints
    if declared.no_constraints or declared.max_flash is None or FORMAT_OF[declared.target] != format:
        return None
    return parse_size(declared.max_flash)


def chosen_images(
    experiment: "Experiment", model: LoadedModel, data: Named, calibration: Named, number: int, seed: int
) -> tuple[Labelled, Labelled]:
    """The images to calibrate on, and those to judge by."""
    run = run_of(model)
    if run is None:
        if calibration is None:
            raise _without_images(model, "does not say which images it held out, being outside the folder of its run")
        return split_calibration(_others(model, calibration), number, seed)
    images = named_images(experiment, model, data)
    require_same_images(images, model)
    trained, held_out = split_images(images, saved_config(run.config))
    own = _labelled(images, held_out, f"the images that {run.path.name} held out of {images.name}")
    if calibration is None:
        if not len(held_out):
            raise _without_images(model, "held out no images")
        return split_calibration(own, number, seed)
    others = _others(model, calibration)
    both = dataclasses.replace(
        images,
        train_images=images.train_images[trained],
        train_labels=images.train_labels[trained],
        test_images=others.images,
        test_labels=others.labels,
        held_out=None,
    )
    if shared := shared_images(both)[0]:
        raise DataError(
            f"{model.source} was trained on {shared:,} of the {len(others.labels):,} images of {others.name}: they "
            "cannot stand in for held-out ones; name others with --calibration"
        )
    first, rest = split_calibration(others, number, seed)
    return first, own if len(held_out) else rest


def _others(model: LoadedModel, calibration: Named) -> Labelled:
    """What data hold for validation, or all their training images: other ones than the network's."""
    images = open_named(calibration, model.metadata.preprocessing)
    require_same_classes(model, images)
    if images.fingerprint() == model.metadata.data_hash:
        raise DataError(
            f"{model.source} was trained on {images.name}: its images cannot stand in for held-out ones; name others "
            "with --calibration"
        )
    every = np.arange(len(images.train_labels))
    return _labelled(images, every if images.held_out is None else images.held_out, images.name)


def _test_images(model: LoadedModel, images: ImageData) -> Labelled:
    require_same_classes(model, images)
    chosen = evenly_spread(len(images.test_labels))
    return Labelled(f"the test images of {images.name}", images.test_images[chosen], images.test_labels[chosen])


def _labelled(images: ImageData, indices: Labels, name: str) -> Labelled:
    return Labelled(name, images.train_images[indices], images.train_labels[indices])


def _without_images(model: LoadedModel, why: str) -> DataError:
    return DataError(
        f"{model.source} {why}. int8 is calibrated and judged on held-out images, never on training images: name "
        "other images of the same classes with --calibration, or export a run that held some out"
    )
