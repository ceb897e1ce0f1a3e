"""Every recipe takes two steps on toys of its kind of images; fine-tuning begins with trained weights."""

import ast
import dataclasses
import importlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from framework.checkpoint.file_format import load_checkpoint
from tests.framework.data.toys import SHAPES, shapes, write_tiny_imagenet

SHORT = ("--epochs", "1", "--limit-batches", "2", "--batch-size", "8", "--device", "cpu", "--precision", "float32")
RECIPES = Path(__file__).resolve().parents[2] / "recipes"
NARROW = '{"widths": [4, 8, 8, 8]}'


def run(recipe: str, *arguments: str | Path) -> Result:
    result = CliRunner().invoke(importlib.import_module(f"recipes.{recipe}").main, [str(each) for each in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize("variant", ["batch", "layer", "group", "batch_l1", "layer_l1", "group_l1"])
def test_s6_has_each_normalisation_with_and_without_l1(variant: str, tmp_path: Path) -> None:
    result = run("s6_normalization", *SHORT, "--data", "digits", "--variant", variant, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["network"]["arch_options"] == {"norm": variant.removesuffix("_l1")}
    assert (config["optimization"]["l1"] > 0) == variant.endswith("_l1")


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ("s8_resnet", ("--arch", "c1c2c3c40_quick")),
        ("s9_onecycle", ("--arch-options", NARROW, "--lr", "0.1")),
        ("folder", ("--arch-options", NARROW)),
    ],
)
def test_the_recipes_of_32_pixels_train(recipe: str, options: tuple[str, ...], tmp_path: Path) -> None:
    result = run(recipe, *SHORT, "--data", "digits", *options, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert " parameters, no constraints\n" in result.output


@pytest.mark.parametrize("path", sorted(RECIPES.glob("[!_]*.py")), ids=lambda path: path.stem)
def test_help_has_the_commands_of_the_docstring_line_by_line(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    commands = [line for line in docstring.splitlines() if line.startswith("    python ")]
    shown = run(path.stem, "--help").output.splitlines()
    assert commands and {f"  {line}" for line in commands} <= set(shown)


@pytest.mark.parametrize(("recipe", "listed"), [("s7_cifar", True), ("folder", False)])
def test_help_lists_presets_where_there_are_some(recipe: str, listed: bool) -> None:
    assert ("--preset" in run(recipe, "train", "--help").output) == listed


def test_a_folder_that_is_not_there_leaves_no_run_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("folder", *SHORT)
    assert result.exit_code == 3 and "there is no data at photos: it takes a folder" in result.stderr
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize(("shuffled", "least", "most"), [(False, 0.8, 1.0), (True, 0.0, 0.3)])
def test_s10_learns_in_the_layout_of_tiny_imagenet_what_the_labels_say(
    shuffled: bool, least: float, most: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBERFIELD_CACHE", str(tmp_path))
    toy = shapes(each=16, tests=10)
    if shuffled:
        toy = dataclasses.replace(toy, y_train=np.random.default_rng(0).permutation(toy.y_train))
    write_tiny_imagenet(tmp_path / "tiny_imagenet" / "tiny-imagenet-200", toy, SHAPES)
    narrow = ("--arch-options", '{"widths": [16, 16, 16, 32], "depths": [1, 1, 1, 1]}', "--epochs", "6")
    machine = ("--device", "cpu", "--precision", "float32", "--batch-size", "16")
    result = run("s10_tiny_imagenet", *machine, *narrow, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert least <= results["test_accuracy"] <= most, result.output


def photos(folder: Path) -> Path:
    """Three classes of noise."""
    generator = np.random.default_rng(0)
    for split, each in (("train", 8), ("test", 2)):
        for name in ("ant", "bee", "fly"):
            (folder / split / name).mkdir(parents=True)
            for number in range(each):
                cv2.imwrite(
                    str(folder / split / name / f"{number}.png"), generator.integers(0, 256, (32, 32, 3), np.uint8)
                )
    return folder


def test_fine_tuning_begins_with_published_weights_a_new_head_and_keeps_frozen_layers(tmp_path: Path) -> None:
    out = tmp_path / "run"
    tuned = ("--init-from", "c1c2c3c40", "--freeze", "c1*", "--val-size", "0", "--out", out)
    result = run("folder", *SHORT, "--data", photos(tmp_path / "photos"), *tuned)
    assert result.exit_code == 0, result.output
    assert "begins with the weights of c1c2c3c40; new: " in result.output and "new: none" not in result.output
    weights = importlib.import_module("architectures").pretrained_weights("c1c2c3c40").tensors
    (saved,) = (out / "checkpoints").glob("*.pt")
    model = load_checkpoint(saved)["model"]
    equal = {name for name, tensor in model.items() if torch.equal(tensor, weights[name])}
    frozen = {name for name in model if name.startswith("c1.")}
    assert frozen and frozen <= equal and "c2" in {name.split(".")[0] for name in model.keys() - equal}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--init-from", "c1c2c3c"),
            "there is no init_from 'c1c2c3c'. Valid: a run, a checkpoint, or one of c1c2c3c40",
        ),
        (("--init-from", "c1c2c3c40_quick"), "init_from c1c2c3c40_quick is c1c2c3c40_quick without options, and the"),
        (("--freeze", "c9"), "unknown layer 'c9'. Valid: c1, c2, c3, c4, head"),
    ],
)
def test_wrong_names_are_one_line(options: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = run("folder", *SHORT, "--data", "digits", *options, "--out", tmp_path / "run")
    assert result.exit_code == 2 and message in result.output and "Traceback" not in result.output
