"""A trained network on images: metrics of a data set, and the classes of image files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ignite.engine import Events
from ignite.metrics import Metric

from framework.checkpoint.loaded_model import LoadedModel, load_model, load_pretrained, require_same_classes
from framework.checkpoint.metadata import ModelMetadata
from framework.data.folder_listing import images_in
from framework.data.image_data import ImageData, Images, Named
from framework.data.image_file import as_png, decode_bytes, read_image
from framework.data.loader import evaluation_batch_size, evaluation_batches
from framework.data.preprocessing import fit_image
from framework.data.registry import open_named
from framework.data.statistics import normalize
from framework.engine.evaluator import make_evaluator, require_finite
from framework.engine.int8 import require_same_activations
from framework.engine.tta import FlipTTA
from framework.errors import DataError
from framework.experiment.named_data import named_images
from framework.export.agreement import Agreement, check_format, export_model
from framework.ops.fake_quantize import simulated
from framework.run.environment import choose_device
from framework.run.given_path import given_path

if TYPE_CHECKING:
    from PIL import Image

    from framework.experiment.experiment import Experiment

    ImageLike = Path | str | Images | Image.Image
    """An image as a user gives it: a file, an array, or one of Pillow's."""


def load_network(experiment: "Experiment", network: Any, arch: str | None, device: str) -> LoadedModel:
    """What `Experiment.load` says; raises as `load_model` and `load_pretrained` do."""
    networks = experiment.package()
    if isinstance(network, LoadedModel):
        return network
    if isinstance(network, str) and network in networks.PRETRAINED:
        return load_pretrained(networks, network, choose_device(device))
    trusted = (experiment.defaults.network.arch,)
    return load_model(networks, given_path(network, "network"), choose_device(device), arch, trusted=trusted)


def export_network(
    experiment: "Experiment", network: Any, out: Path, format: str, data: Named, arch: str | None
) -> Agreement:
    """What `Experiment.export` says; raises as `load_network`, `open_named` and `export_model` do."""
    check_format(format, out)
    model = experiment.load(network, arch=arch, device="cpu")
    return export_model(model, open_named(data, model.metadata.preprocessing), format, out)


def evaluate_network(
    experiment: "Experiment", network: Any, data: Named, tta: str | None, arch: str | None, device: str
) -> dict[str, Any]:
    """What `Experiment.evaluate` says; raises as `load_network`, `named_images` and `evaluate_model` do."""
    model = experiment.load(network, arch=arch, device=device)
    metrics = experiment.metrics() if experiment.metrics else None
    return evaluate_model(model, named_images(experiment, model, data), tta=tta, metrics=metrics)


def evaluate_model(
    model: LoadedModel,
    data: ImageData,
    limit: int | None = None,
    *,
    tta: str | None = None,
    metrics: Mapping[str, Metric] | None = None,
    keep: Callable[[torch.Tensor], object] | None = None,
) -> dict[str, Any]:
    """'accuracy' (a share), 'loss' and further `metrics` on all test images, in float32 whatever the precision was.

    Each is a number, or a list of them.

    With `tta` 'flip' the logits of each image and its horizontal flip are averaged. `limit` cuts a dry run off after
    that many batches. `keep` is called with the logits of each batch. Raises DataError as `require_same_classes` does,
    CheckpointError as `require_same_activations` does, NonFiniteError for a network whose output is not finite.
    """
    require_same_classes(model, data)
    require_same_activations(model.network, model.metadata, str(model.source))
    assert tta in (None, "flip"), tta
    network = simulated(model.network)
    if tta:
        network = FlipTTA(network)
    statistics = model.metadata.statistics
    evaluator = make_evaluator(
        network, statistics=statistics, device=model.device, precision="float32", metrics=metrics
    )
    if keep is not None:
        evaluator.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: keep(engine.state.output[0]))
    every = np.arange(len(data.test_labels))
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # TF32 keeps 10 bits of float32's 23
        size = evaluation_batch_size(model.device)
        evaluator.run(evaluation_batches(data.test_images, data.test_labels, every, batch_size=size, limit=limit))
    require_finite(evaluator, "the test")
    found = evaluator.state.metrics.items()
    return {name: value.tolist() if isinstance(value, torch.Tensor) else float(value) for name, value in found}


def predict_images(model: LoadedModel, images: "Sequence[ImageLike]") -> Iterator[tuple[str, float]]:
    """The most likely class of each image and its probability, in batches, each as it comes.

    Images are files or in memory, as `as_png` takes them. Raises DataError, naming the file, for one that cannot
    be read, after what stands before it.
    """
    size = evaluation_batch_size(model.device)
    for start in range(0, len(images), size):
        pixels, unreadable = [], None
        for image in images[start : start + size]:
            try:
                pixels.append(read_pixels(image, model.metadata))
            except DataError as error:
                unreadable = error
                break
        if pixels:
            yield from _classified(model, np.stack(pixels))
        if unreadable is not None:
            raise unreadable


def separate_images(images: "ImageLike | Sequence[ImageLike]") -> "Sequence[ImageLike]":
    """One image or several as a sequence; an array is one where it is (H, W), or (H, W, C) with 1, 3 or 4 channels.

    A folder stands for the images in it, by name. Raises DataError for one that holds none.
    """
    if isinstance(images, np.ndarray):
        one = images.ndim == 2 or (images.ndim == 3 and images.shape[2] in (1, 3, 4))
        return [images] if one else list(images)
    several = images if isinstance(images, Sequence) and not isinstance(images, str) else [images]
    separate = list["ImageLike"]()
    for image in several:
        path = given_path(image, "image") if isinstance(image, str | Path) else None
        separate += images_in(path) if path is not None and path.is_dir() else [image]
    return separate


def read_pixels(image: "ImageLike", metadata: ModelMetadata) -> Images:
    """An image as a network takes it, (H, W, C). Raises DataError for one that cannot be read."""
    if isinstance(image, str | Path):
        return read_image(Path(image), metadata.preprocessing, metadata.in_channels)
    decoded = decode_bytes(as_png(image), "in memory", metadata.preprocessing, metadata.in_channels)
    return fit_image(decoded, metadata.preprocessing)


@torch.no_grad()
def _classified(model: LoadedModel, images: Images) -> list[tuple[str, float]]:
    """Class and probability of each of the images (N, H, W, C)."""
    batch = torch.from_numpy(images).to(model.device)
    probabilities = model.network(normalize(batch, model.metadata.statistics)).softmax(dim=1)
    confidences, classes = probabilities.max(dim=1)
    names = [model.metadata.class_names[index] for index in classes.tolist()]
    return list(zip(names, confidences.tolist(), strict=True))
