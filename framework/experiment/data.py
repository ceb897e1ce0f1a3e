"""Images as a user names them: by a data set's name, by a path, or in memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framework.data.image_data import ImageData
from framework.data.registry import cache_folder, dataset_names, open_data

Named = ImageData | Path | str | None
"""A data set's name, a path ('./name' for a folder that is called like a data set), images in memory, or none."""


def data_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings whose 'data' may be the name of a data set, as those of a configuration: one of data and dataset."""
    settings = dict(settings)
    if settings.get("data") is not None:
        name = str(settings.pop("data"))
        key, other = ("dataset", "data") if name in dataset_names() else ("data", "dataset")
        settings = {other: None} | settings | {key: name}
    elif settings.get("dataset") is not None:
        settings = {"data": None} | settings
    return settings


def open_named(data: Named, image_size: int, dataset: str | None = None) -> ImageData:
    """The images, brought to `image_size`; without a name CIFAR-10. Raises as `open_data` does."""
    if isinstance(data, ImageData):
        return data
    settings = data_settings({"data": data, "dataset": dataset})
    path = Path(settings["data"]) if settings.get("data") else None
    return open_data(path=path, dataset=settings.get("dataset"), image_size=image_size, cache=cache_folder())
