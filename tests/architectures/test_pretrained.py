import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import nn

from architectures import PRETRAINED, ArchitectureError, Published, WeightsError, create, pretrained, pretrained_weights
from architectures.pretrained import FOLDER

NAMES = sorted(PRETRAINED)
CARD = (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_is_a_network_of_its_name_and_stands_in_the_model_card(name: str) -> None:
    weights = pretrained_weights(name)
    assert weights.description["arch"] == name
    network = create(name, num_classes=weights.options["num_classes"], pretrained=True)
    assert network.state_dict().keys() == weights.tensors.keys()
    assert all(torch.equal(tensor, weights.tensors[key]) for key, tensor in network.state_dict().items())
    assert f"`{name}`" in CARD
    assert f"{100 * PRETRAINED[name].test_accuracy:.2f} %" in CARD
    assert PRETRAINED[name].sha256 in CARD


def test_no_file_stands_in_the_folder_unpublished() -> None:
    assert {path.stem for path in FOLDER.glob("*.safetensors")} == set(NAMES)


def test_the_description_says_how_to_use_the_network() -> None:
    description = pretrained_weights("c1c2c3c40").description
    assert description["class_names"][:3] == ["airplane", "automobile", "bird"]
    assert description["image_size"] == 32
    assert description["mean"] == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-4)
    assert description["std"] == pytest.approx([0.2470, 0.2435, 0.2616], abs=1e-4)


def test_a_new_network_is_another_one() -> None:
    torch.manual_seed(0)
    new, trained = create("c1c2c3c40"), create("c1c2c3c40", pretrained=True)
    assert not torch.equal(new.c1.stem.conv.weight, trained.c1.stem.conv.weight)


def test_the_options_of_the_training_may_be_repeated() -> None:
    again = {"num_classes": 10, "in_channels": 3, "widths": [32, 48, 80, 256], "norm": nn.BatchNorm2d}
    assert isinstance(create("c1c2c3c40", pretrained=True, **again), nn.Module)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 100}, "trained with num_classes 10, not 100"),
        ({"in_channels": 1}, "trained with in_channels 3, not 1"),
        ({"head": "conv1x1"}, "trained with head 'fc', not 'conv1x1'"),
        ({"act": nn.SiLU}, "trained with act .*ReLU.*, not .*SiLU"),
        ({"widht": 2.0}, "has no option 'widht', did you mean 'width'"),
    ],
)
def test_other_options_than_those_of_the_training_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        create("c1c2c3c40", pretrained=True, **options)


@pytest.mark.parametrize("name", ["c1c2c3c40_maxpool", "torch.nn:Flatten"])
def test_a_network_without_weights_names_those_that_have_some(name: str) -> None:
    with pytest.raises(ArchitectureError, match=f"no pretrained weights of '{name}'. Valid: .*c1c2c3c40"):
        pretrained_weights(name)


def test_create_refuses_a_network_without_weights() -> None:
    with pytest.raises(ArchitectureError, match="no pretrained weights of 'c1c2c3c40_maxpool'"):
        create("c1c2c3c40_maxpool", pretrained=True)


def test_a_damaged_or_missing_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (FOLDER / "c1c2c3c40.safetensors").read_bytes()
    file = tmp_path / "c1c2c3c40.safetensors"
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    with pytest.raises(WeightsError, match=f"{file} cannot be read: No such file"):
        create("c1c2c3c40", pretrained=True)
    for damaged in (whole[:-1], whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:], b""):
        file.write_bytes(damaged)
        with pytest.raises(WeightsError, match=f"{file} are damaged: their SHA-256 is .*, not 2b90e89a"):
            create("c1c2c3c40", pretrained=True)


def test_the_options_of_the_training_are_taken_where_none_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"widths": [8, 8, 8, 8], "head": "conv1x1"}
    trained = create("c1c2c3c40", num_classes=4, in_channels=1, **options)
    description = {"arch_options": options, "in_channels": 1, "class_names": ["a", "b", "c", "d"]}
    metadata = {key: json.dumps(value) for key, value in description.items()}
    content = save(trained.state_dict(), metadata)
    (tmp_path / "c1c2c3c40.safetensors").write_bytes(content)
    entry = Published(sha256=hashlib.sha256(content).hexdigest(), test_accuracy=0.5)
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    monkeypatch.setattr(pretrained, "PRETRAINED", {"c1c2c3c40": entry})
    network = create("c1c2c3c40", num_classes=4, pretrained=True)
    images = torch.rand(2, 1, 32, 32)
    assert torch.equal(network.eval()(images), trained.eval()(images))
    with pytest.raises(ArchitectureError, match="trained with num_classes 4, not 10"):
        create("c1c2c3c40", pretrained=True)
