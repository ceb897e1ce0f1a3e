"""What `summary`, `list` and `--version` say."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
import torch

from architectures import PRETRAINED, create
from recipes.s7_cifar import EXPERIMENT
from tests.framework.experiment.running import run


def total(output: str) -> int:
    found = re.search(r"^total +([\d,]+) ", output, re.MULTILINE)
    assert found is not None, output
    return int(found[1].replace(",", ""))


def parameters(**options: object) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in create("c1c2c3c40", **options).parameters())


def test_summary_takes_the_options_of_the_network_and_of_its_images() -> None:
    options = (
        "--arch-options",
        '{"widths": [8, 8, 16, 16]}',
        "--classes",
        "7",
        "--channels",
        "1",
        "--image-size",
        "48",
    )
    result = run("summary", *options)
    assert result.exit_code == 0, result.output
    assert total(result.output) == parameters(widths=(8, 8, 16, 16), num_classes=7, in_channels=1)
    assert "[-1, 8, 48, 48]" in result.output
    preset = json.loads(run("summary", "--preset", "best-100k", "--json").stdout)
    assert preset["arch"] == EXPERIMENT.settings({}, preset="best-100k").network.arch != "c1c2c3c40"


def test_summary_ends_with_code_8_if_a_constraint_is_broken() -> None:
    broken = run("summary", "--max-params", "1000", "--forbids", '["strides"]')
    assert broken.exit_code == 8
    assert "✗  parameters" in broken.stdout and "✗  strides" in broken.stdout
    assert "the network breaks what is declared of it (--no-constraints takes it all the same)" in broken.stderr
    allowed = run("summary", "--max-params", "1000", "--no-constraints")
    assert allowed.exit_code == 0 and "✗  parameters" in allowed.stdout
    pooled = run("summary", "--arch", "c1c2c3c40_maxpool", "--forbids", "[]", "--strided-convs", "0")
    assert pooled.exit_code == 0
    as_data = run("summary", "--max-params", "1000", "--json")
    assert as_data.exit_code == 8 and not json.loads(as_data.stdout)["constraints"][0]["holds"]


def test_summary_of_published_weights_is_of_their_network() -> None:
    result = run("summary", "--pretrained", "--arch", "c1c2c3c40_mirror.seed_1", "--json")
    assert result.exit_code == 0, result.output
    assert (
        json.loads(result.stdout)["parameters"]
        == json.loads(EXPERIMENT.summary("c1c2c3c40_mirror", as_json=True))["parameters"]
    )
    wrong = run("summary", "--pretrained", "--arch", "c1c2c3c40", "--classes", "7")
    assert wrong.exit_code == 2
    assert wrong.stderr == "error: --classes is 7; the published weights of c1c2c3c40 are for 10\n"
    none = run("summary", "--pretrained", "--arch", "c1c2c3c40_maxpool")
    assert none.exit_code == 2 and "there are no pretrained weights of 'c1c2c3c40_maxpool'" in none.stderr


def test_a_list_of_constraints_replaces_the_recipes_and_says_so(tmp_path: Path) -> None:
    result = run("summary", "--requires", '["dilated"]')
    left_out = "depthwise_separable, global_average_pooling"
    assert result.stderr == f"--requires replaces the recipe's list by: dilated; no longer in it: {left_out}\n"
    assert "depthwise separable" not in result.stdout.rpartition("constraint")[2]
    assert "replaces" not in run("summary").output
    text = " ".join(run("train", "--help").output.split())
    assert 'global_average_pooling) [default: ["depthwise_separable", "dilated",' in text


def test_list_describes_every_network() -> None:
    lines = run("list").output.splitlines()
    start = lines.index("  c1c2c3c40    184,762 parameters for 10 classes, 220,629 bytes as an int8 .tflite")
    assert lines[start + 1].startswith("      The default: three 3x3 convolutions of stride 2, images (N, in_channels")
    assert "      widths: Sequence[int] = (32, 48, 80, 256)" in lines
    assert "      down: 'stride' | 'blur' | 'maxpool' | 'dilation' = 'stride'" in lines
    assert "      c1c2c3c40 with down='maxpool'" in lines
    for name, published in PRETRAINED.items():
        assert f"  --arch {name} --pretrained    test accuracy {100 * published.test_accuracy:.2f} %" in lines


def test_versions_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert re.fullmatch(r"emberfield \d[\w.]*\ntorch \d[\w.+]*\npython 3[\d.]+\n", result.output)


@pytest.mark.skipif(importlib.util.find_spec("tflite_micro") is not None, reason="the extra tflm is installed")
def test_a_target_that_is_not_installed_is_named() -> None:
    result = run("summary", "--target", "tflm")
    assert result.exit_code == 6 and "pip install 'emberfield[tflm]'" in result.stderr
    assert run("summary", "--target", "tflm", "--no-constraints").exit_code == 0


def test_what_a_device_sets_is_judged_with_the_others() -> None:
    broken = run("summary", "--max-ram", "64KiB", "--max-flash", "1MiB")
    assert broken.exit_code == 8
    assert "int8 memory: 102,528, has to be at most 65,536 bytes (look at c1.separable1.body.conv_pw" in broken.stderr
    assert "int8 file as .tflite, estimated: " in broken.stdout and "int8 file: " not in broken.stderr
    wrong = run("summary", "--max-ram", "64K")
    assert wrong.exit_code == 2 and "64KiB" in wrong.stderr
