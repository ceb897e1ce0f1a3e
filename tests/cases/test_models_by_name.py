"""Models of libraries and layers by name, from the command to the run; and which of torchvision's run at all."""

import json
import os
from pathlib import Path

import pytest
import torch
from torchvision import models

from architectures import ArchitectureError, create
from framework.checkpoint.networks import place
from framework.config import ConstraintsConfig
from framework.engine.network_trial import try_training
from framework.errors import EmberfieldError
from framework.inspection import check
from tests.framework.experiment.running import run

META = torch.device("meta")
MODELS = models.list_models(module=models)
TOO_SMALL = {"alexnet": 63, "inception_v3": 75, "maxvit_t": 224} | {
    model: 224 for model in MODELS if model.startswith("vit_")
}
"""Models that do not run on 32x32 pixels, and the sides that torchvision names as the least."""

FEW = ["inception_v3", "regnet_y_400mf", "resnet18"]
DRY = ("--no-constraints", "--epochs", "1", "--batch-size", "16", "--limit-batches", "1", "--transforms", "[]",
       "--device", "cpu", "--precision", "float32", "--data", "digits")  # fmt: skip


def try_on_meta(model: str, side: int) -> None:
    """Makes a model, checks and tries it as a training does, with tensors that hold no numbers."""
    try:
        with META:
            network = create(f"torchvision:{model}", num_classes=7)
    except ArchitectureError:  # regnet computes its widths with tensors
        network = create(f"torchvision:{model}", num_classes=7)
    check(network, (3, side, side), ConstraintsConfig())
    pixels = torch.zeros(2, 3, side, side, device=META).to(memory_format=torch.channels_last)
    assert try_training(place(network, META), pixels, 7) == []


@pytest.mark.parametrize("side", [32, 224])
@pytest.mark.parametrize("model", MODELS if os.environ.get("EMBERFIELD_SOAK") else FEW)
def test_every_model_of_torchvision_trains_or_says_in_one_line_why_not(model: str, side: int) -> None:
    if side == 224 or model not in TOO_SMALL:
        try_on_meta(model, side)
        return
    with pytest.raises(EmberfieldError) as caught:
        try_on_meta(model, side)
    message = str(caught.value)
    assert caught.value.exit_code == 2 and len(message.splitlines()) == 1
    assert message.startswith("the network does not run on an image of shape (3, 32, 32): ")
    assert message.endswith(f"; it is made for at least {TOO_SMALL[model]}x{TOO_SMALL[model]} pixels")


def test_a_model_of_torchvision_is_trained_on_grey_images_and_used_without_naming_its_code(tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ("--arch", "torchvision:squeezenet1_1", "--arch-options", "stem=small", "--out", out)
    trained = run(*DRY, *options, "--image-size", "16")
    assert trained.exit_code == 0, trained.output
    kept = json.loads((out / "config.json").read_text())["network"]
    assert (kept["arch"], kept["arch_options"]) == ("torchvision:squeezenet1_1", {"stem": "small"})
    assert (out / "source" / "torchvision" / "models" / "squeezenet.py").is_file()
    evaluated = run("evaluate", "--checkpoint", out)
    assert evaluated.exit_code == 0, evaluated.output


def test_layers_are_given_by_name_and_a_run_keeps_the_names(tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ("--arch", "s6_net", "--arch-options", "norm=group,act=silu,widths=[8, 8, 16]", "--out", out)
    assert run(*DRY, *options, "--image-size", "16").exit_code == 0
    kept = json.loads((out / "config.json").read_text())["network"]["arch_options"]
    assert kept == {"norm": "group", "act": "silu", "widths": [8, 8, 16]}
    assert "GroupNorm" in (out / "torchsummary.txt").read_text()
    again = run("--resume", "--out", out, "--arch-options", json.dumps({**kept, "norm": "layer"}))
    assert again.exit_code == 4 and "arch_options was {'norm': 'group'" in again.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--arch", "torchvision:squeezenet1_1", "--image-size", "8"), "it is made for at least 17x17 pixels"),
        (("--arch", "torchvision:resnet18", "--arch-options", "stem=tiny"), "unknown stem 'tiny'; valid:"),
        (("--arch", "torchvision:googlenet", "--arch-options", "aux_logits=true,init_weights=false"),
         "the network gives a GoogLeNetOutputs for 2 images in training mode; a tensor of logits (2, 10) is needed"),
        (("--arch", "s6_net", "--arch-options", "norm=grop"), "unknown norm 'grop', did you mean 'group'?"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_one_line(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    result = run(*DRY, *options, "--out", tmp_path / "run")
    assert result.exit_code == 2 and message in result.stderr, result.output
    assert len(result.stderr.splitlines()) == 1 and not (tmp_path / "run" / "config.json").exists()


def test_summary_of_a_model_of_torchvision_has_its_receptive_field() -> None:
    result = run("summary", "--arch", "torchvision:resnet18", "--arch-options", "stem=small", "--no-constraints")
    assert result.exit_code == 0, result.output
    assert "layer4.1.relu          512x4x4             0              0              109     8" in result.stdout
    assert "11,173,962" in result.stdout
