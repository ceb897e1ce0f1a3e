"""What a checkpoint says of its network, and files that say less."""

import dataclasses
from typing import Any

import pytest

from architectures import PRETRAINED, pretrained_weights
from framework.checkpoint.metadata import ModelMetadata
from framework.data.preprocessing import Preprocessing
from framework.errors import CheckpointError

WHOLE = ModelMetadata(
    arch="a",
    arch_options={},
    in_channels=1,
    image_size=8,
    class_names=["x", "y"],
    mean=[0.5],
    std=[0.5],
    data="d",
    data_hash="0",
    precision="float32",
    augment_on="cpu",
    fit="pad",
    background="#102030",
)


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(WHOLE).items() if name not in names}


def test_what_was_written_before_it_named_a_background_leaves_transparency_out() -> None:
    assert ModelMetadata.parse(without(), "it") == WHOLE
    assert WHOLE.preprocessing == Preprocessing(8, "pad", "#102030")
    assert ModelMetadata.parse(without("fit", "background"), "it").preprocessing == Preprocessing(8, "stretch", None)
    described = {name: pretrained_weights(name).description for name in PRETRAINED}
    older = [name for name, description in described.items() if "background" not in description]
    assert "c1c2c3c40" in older and "c1c2c3c40.device_64k" not in older
    assert all(ModelMetadata.parse(described[name], name).preprocessing.background is None for name in older)


@pytest.mark.parametrize("content", [without("mean"), without() | {"further": 1}])
def test_another_field_less_or_more_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="it does not describe its network"):
        ModelMetadata.parse(content, "it")


@pytest.mark.parametrize(
    ("name", "value"), [("fit", "squash"), ("fit", ["pad"]), ("background", "pink"), ("background", 7)]
)
def test_a_wrong_value_is_named(name: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=f"it describes its network wrongly: {name} is"):
        ModelMetadata.parse(without() | {name: value}, "it")
