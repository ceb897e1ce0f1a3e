import functools
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import nn

from architectures import (
    PRETRAINED,
    ArchitectureError,
    Published,
    WeightsError,
    create,
    names,
    pretrained,
    pretrained_weights,
)
from architectures.pretrained import FOLDER, architecture_of

CARD = (FOLDER / "README.md").read_text(encoding="utf-8")

LOGITS = {
    "c1c2c3c40": "-0.45839417 -0.882056415 3.17099428 -0.517736316 -0.732267857 "
    "-1.74907351 1.76404798 -0.428970516 0.19608885 -0.415103972",
    "c1c2c3c40.device_64k": "-0.159030035 -0.632009387 1.16273093 1.62959194 -0.0929201841 "
    "-0.793806136 1.52445579 -0.777013958 -0.611121833 -1.25536704",
    "c1c2c3c40_gated_mirror": "-0.947970569 -0.388418913 2.39290977 1.36926007 -0.631293774 "
    "0.372357368 -1.17227829 -0.823473752 0.703394651 -0.742677271",
    "c1c2c3c40_gated_mirror_small": "-0.662239552 -0.54027617 1.67248428 1.52479303 -0.714743912 "
    "0.247459888 -0.574884415 -0.981886446 0.41068691 -0.239074335",
    "c1c2c3c40_mirror": "2.29840374 -0.271977127 0.238142446 -0.448335528 -0.0578214377 "
    "-1.01559711 0.0803646743 -0.398704797 -0.680202842 0.313833714",
    "c1c2c3c40_mirror.seed_1": "-0.720726073 -0.528000474 0.0769636631 1.00545514 -0.616569042 "
    "-1.02227604 0.548406124 -0.974016011 2.921731 -0.676099718",
    "c1c2c3c40_mirror.seed_2": "-0.291473448 -0.670161188 -0.428312957 2.85428619 -0.763072193 "
    "-0.45208931 -0.827715039 -0.736803293 2.200248 -0.851212263",
    "c1c2c3c40_quick": "-0.951117277 -0.558366179 -0.226024777 -2.18260288 -0.825323403 "
    "-1.69562089 -0.0219053626 -1.14062047 2.90541649 4.56897736",
}
"""Of one synthetic image, in float32, computed by the code of commit edbacf6, or of cd8d3c25 for device_64k."""


@pytest.mark.parametrize("name", sorted(PRETRAINED))
def test_the_logits_are_those_of_the_published_network(name: str) -> None:
    """Within 1e-5, as processors differ in the last bits: by up to 4e-6 between SSE4.1 and AVX-512."""
    image = (torch.arange(3 * 32 * 32) * 37 % 256).reshape(1, 3, 32, 32) / 64 - 2
    with torch.no_grad():
        logits = create(name, pretrained=True).eval()(image)
    published = torch.tensor([[float(logit) for logit in LOGITS[name].split()]])
    torch.testing.assert_close(logits, published, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", sorted(PRETRAINED))
def test_every_entry_is_a_file_of_its_architecture_and_in_the_model_card(name: str) -> None:
    entry, weights = PRETRAINED[name], pretrained_weights(name)
    assert weights.description["arch"] == architecture_of(name) in names()
    assert re.fullmatch(r"\w+(\.\w+)?", name)
    row = next(line for line in CARD.splitlines() if line.startswith(f"| `{name}` |"))
    assert f"{100 * entry.test_accuracy:.2f} %" in row
    assert f"{sum(p.numel() for p in create(name, pretrained=True).parameters()):,}" in row
    assert f"{entry.sha256}  {name}.safetensors\n" in CARD


def test_the_folder_holds_the_published_files_alone() -> None:
    assert {path.name.removesuffix(".safetensors") for path in FOLDER.glob("*.safetensors")} == set(PRETRAINED)


def test_the_description_says_how_to_use_the_network() -> None:
    description = pretrained_weights("c1c2c3c40").description
    assert description["class_names"][:3] == ["airplane", "automobile", "bird"]
    assert description["image_size"] == 32
    assert description["mean"] == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-4)
    assert description["std"] == pytest.approx([0.2470, 0.2435, 0.2616], abs=1e-4)


def test_without_pretrained_the_weights_are_new() -> None:
    new, trained = create("c1c2c3c40"), create("c1c2c3c40", pretrained=True)
    assert not torch.equal(new.c1.stem.conv.weight, trained.c1.stem.conv.weight)


def test_a_tag_names_weights_and_no_architecture() -> None:
    assert "c1c2c3c40_mirror.seed_1" not in names()
    with pytest.raises(ArchitectureError, match="valid are pretrained=True, or 'c1c2c3c40_mirror' for new ones"):
        create("c1c2c3c40_mirror.seed_1")


def test_the_options_of_the_training_may_be_repeated() -> None:
    again = {"num_classes": 10, "in_channels": 3, "widths": [32, 48, 80, 256], "norm": nn.BatchNorm2d}
    assert isinstance(create("c1c2c3c40", pretrained=True, **again), nn.Module)
    assert isinstance(create("c1c2c3c40_mirror.seed_2", pretrained=True, down="blur"), nn.Module)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("c1c2c3c40", {"num_classes": 100}, "trained with num_classes 10, not 100"),
        ("c1c2c3c40", {"in_channels": 1}, "trained with in_channels 3, not 1"),
        ("c1c2c3c40", {"head": "conv3x3"}, "trained with head 'fc', not 'conv3x3'"),
        ("c1c2c3c40", {"act": nn.SiLU}, "trained with act 'relu', not 'silu'"),
        ("c1c2c3c40", {"widht": 2.0}, "has no option 'widht', did you mean 'width'"),
        ("c1c2c3c40_mirror.seed_1", {"down": "stride"}, "'c1c2c3c40_mirror.seed_1' was trained with down 'blur'"),
    ],
)
def test_other_options_than_those_of_the_training_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        create(name, pretrained=True, **options)


def test_a_network_without_weights_names_those_that_have_some() -> None:
    for load in (pretrained_weights, functools.partial(create, pretrained=True)):
        with pytest.raises(ArchitectureError, match="no pretrained weights of 'c1c2c3c40_maxpool'. Valid: c1c2c3c40, "):
            load("c1c2c3c40_maxpool")


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


def test_options_default_to_those_of_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"widths": [8, 8, 8, 8], "head": "conv3x3"}
    trained = create("c1c2c3c40", num_classes=4, in_channels=1, **options)
    description = {"arch_options": options, "in_channels": 1, "class_names": ["a", "b", "c", "d"]}
    metadata = {key: json.dumps(value) for key, value in description.items()}
    content = save(trained.state_dict(), metadata)
    (tmp_path / "c1c2c3c40.grey.safetensors").write_bytes(content)
    entry = Published(sha256=hashlib.sha256(content).hexdigest(), test_accuracy=0.5)
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    monkeypatch.setattr(pretrained, "PRETRAINED", {"c1c2c3c40.grey": entry})
    network = create("c1c2c3c40.grey", num_classes=4, pretrained=True)
    images = torch.rand(2, 1, 32, 32)
    assert torch.equal(network.eval()(images), trained.eval()(images))
    with pytest.raises(ArchitectureError, match="trained with num_classes 4, not 10"):
        create("c1c2c3c40.grey", pretrained=True)
