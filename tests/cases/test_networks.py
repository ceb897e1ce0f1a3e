"""Each case about networks that people bring by its command, with the exit code, message and value that are right."""

import json
import os
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from click.testing import Result

from recipes.s7_cifar import EXPERIMENT
from tests.cases import inputs
from tests.cases.networks import networks
from tests.framework.experiment.running import ROOT, run
from tests.warm_python import warm_python

DRY = (
    *("--no-constraints", "--epochs", "1", "--batch-size", "16", "--limit-batches", "1", "--transforms", "[]"),
    *("--device", "cpu", "--precision", "float32", "--image-size", "16"),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return inputs.plain(tmp_path_factory.mktemp("images") / "data")


@pytest.fixture(autouse=True)
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module `net` in the current folder, forgotten afterwards."""
    networks(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "net", raising=False)


def train(data: Path, arch: str, *options: str) -> Result:
    return run("--data", data, "--arch", arch, *DRY, "--out", "run", *options)


def refused(result: Result, exit_code: int = 2) -> str:
    """What a refused command said: one line, before anything was trained or written."""
    assert result.exit_code == exit_code, result.output
    assert len(result.stderr.splitlines()) == 1
    assert "epoch 1/" not in result.stdout and not Path("run/config.json").exists()
    return str(result.stderr)


def test_03_a_network_that_cannot_run_in_channels_last_is_told_so(data: Path) -> None:
    said = refused(train(data, "net:view"))
    assert "does not run in channels_last, the memory format of training: RuntimeError: view size" in said
    assert "(net.py, line 16); use .flatten or .reshape in place of .view" in said


@pytest.mark.parametrize("arch", ["attention", "lstm"])
def test_04_what_torchsummary_cannot_show_is_trained_and_summarized(data: Path, arch: str) -> None:
    assert train(data, f"net:{arch}").exit_code == 0
    said = Path("run/torchsummary.txt").read_text()
    assert re.fullmatch(r"torchsummary cannot show this network: AttributeError: '\w+' object has no .*\n", said)
    shown = run("summary", "--arch", f"net:{arch}", "--image-size", "16", "--no-constraints")
    assert shown.exit_code == 0 and said.strip() in shown.output
    assert re.search(r"^total +[\d,]+ ", shown.output, re.MULTILINE)


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("few", "the network gives (2, 2) for 2 images; (2, 3) is needed: a builder is called with num_classes"),
        ("many", "the network gives (2, 1000) for 2 images; (2, 3) is needed"),
        ("unflattened", "the network gives (2, 3, 1, 1) for 2 images; (2, 3) is needed: flatten it"),
        ("pair", "the network gives a tuple for 2 images in training mode; a tensor of logits (2, 3) is needed"),
        ("mapping", "the network gives a dict for 2 images"),
        ("numbers", "the network gives int64; logits are floats"),
        ("squeezed", "the network gives (3,) for 1 image; (1, 3) is needed"),
        ("detached", "the network cannot learn: its output depends on no parameter that takes a gradient"),
    ],
)
def test_05_an_output_that_is_no_logits_is_named_before_training(data: Path, arch: str, message: str) -> None:
    assert message in refused(train(data, f"net:{arch}"))


def test_last_weights_that_give_no_number_are_an_error_and_no_result(data: Path) -> None:
    ended = train(data, "net:no_number", "--val-size", "0")
    assert ended.exit_code == 7 and "error: the test: " in ended.stderr
    assert "the weights are not finite" in ended.stderr and len(ended.stderr.splitlines()) == 1
    assert not Path("run/results.json").exists() and "test accuracy" not in ended.output


def test_23_parameters_without_a_gradient_are_named_under_torchrun_and_trained_without(data: Path) -> None:
    command = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "recipes.s7_cifar")
    options = ("--data", str(data), "--arch", "net:unused", *DRY, "--out", "run")
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{Path.cwd()}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([warm_python(), *command, *options], env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    said = [line for line in said if line != "error: stopped by SIGTERM"]  # of the other process, by torchrun
    assert said and set(said) == {
        "error: parameters that get no gradient: never.weight, never.bias; several processes need one of each: take "
        "them out of the network, freeze them by requires_grad_(False), or train in one process"
    }
    assert "exitcode  : 2" in done.stderr and "RuntimeError" not in done.stderr
    assert train(data, "net:unused").exit_code == 0


def test_29_a_batch_of_one_image_with_batch_normalization_is_refused(data: Path) -> None:
    said = refused(train(data, "net:norm", "--batch-size", "1"))
    assert "a batch of one image: the network does not run on 1 image in training mode: ValueError: Expected" in said
    assert said.endswith("needs more than one value of each channel: take a larger --batch-size\n")
    assert train(data, "net:rgb", "--batch-size", "1").exit_code == 0


def test_the_trial_changes_neither_the_network_nor_a_draw(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from framework.experiment import training
    from framework.run.directory import RunDirectory

    logs = []
    for name in ("tried", "not"):
        assert train(data, "net:norm", "--out", name, "--epochs", "2").exit_code == 0
        lines = RunDirectory(Path(name)).log.read_text().splitlines()
        logs.append([{**json.loads(line), "seconds": 0} for line in lines])
        monkeypatch.setattr(training, "require_trainable_network", lambda *given: None)
    assert logs[0] == logs[1]


def test_32_a_count_of_torchsummary_that_is_wrong_is_put_right() -> None:
    said = run("summary", "--arch", "net:shared", "--no-constraints").output
    assert "Total params: 1,482\n" in said
    assert (
        "906 parameters is right, not 1,482: torchsummary counts a shared layer once a call (again.weight 2 times, "
        "again.bias 2 times) and misses what is not the weight or bias of a layer that is called (scale)\n"
    ) in said
    assert re.search(r"^total +906 ", said, re.MULTILINE)
    assert "is right" not in run("summary").output


def test_31_a_builder_of_torchvision_is_trained_where_it_can_be(data: Path) -> None:
    assert train(data, "torchvision.models:shufflenet_v2_x0_5").exit_code == 0
    predicted = run("predict", "--checkpoint", "run", "--arch", "torchvision.models:shufflenet_v2_x0_5",
                    next((data / "test" / "a").iterdir()))  # fmt: skip
    assert predicted.exit_code == 0, predicted.output


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("torchvision.models:ResNet", "cannot be called with num_classes: missing a required argument"),
        ("torchvision.models:vit_b_16", "the network does not run on an image of shape (3, 16, 16): Wrong image"),
        ("torch.nn:Linear", "'torch.nn:Linear' has no option 'num_classes'"),
        ("torchvision.models:alexnet", "the network does not run on an image of shape (3, 16, 16)"),
    ],
)
def test_31_what_a_builder_has_to_take_is_said(data: Path, arch: str, message: str) -> None:
    said = refused(train(data, arch))
    assert message in said
    if "called" in message or "option" in message:
        assert "A builder is called by keyword with num_classes, in_channels" in said


def test_31_a_builder_for_rgb_images_is_refused_for_others(tmp_path: Path) -> None:
    import numpy as np

    grey, labels = np.random.default_rng(0).integers(0, 256, (60, 16, 16), np.uint8), np.arange(60) % 3
    np.savez(tmp_path / "grey.npz", x_train=grey, y_train=labels, x_test=255 - grey, y_test=labels)
    for arch, reason in (
        ("net:rgb", "'net:rgb' has no option 'in_channels'. Valid: num_classes"),
        ("torchvision.models:resnet18", "got an unexpected keyword argument 'in_channels'"),
    ):
        said = refused(train(tmp_path / "grey.npz", arch))
        assert reason in said and "(it may leave that out for RGB)" in said
    assert train(tmp_path / "grey.npz", "net:raises").exit_code == 0


@pytest.mark.parametrize(
    ("arch", "options", "message"),
    [
        (
            "net:raises",
            {"wide": "8"},
            "cannot be made with num_classes=3, in_channels=3, wide='8': TypeError",
        ),
        ("net:raises", {"wide": [1]}, "'net:raises' cannot be made with"),
        ("net:raises", {"wide": None}, "'net:raises' cannot be made with"),
        ("net:raises", {"width": 8}, "'net:raises' has no option 'width', did you mean 'wide'? Valid: num_classes,"),
        ("c1c2c3c40", {"widths": "broad"}, "widths ['b', 'r', 'o', 'a', 'd']: valid are"),
        ("c1c2c3c40", {"depths": 3}, "'c1c2c3c40' cannot be made with"),
        ("c1c2c3c40", {"norm": "bach"}, "'c1c2c3c40': unknown norm 'bach', did you mean 'batch'? Valid: batch, group,"),
        ("c1c2c3c40", {"norm": 3}, "'c1c2c3c40' cannot be made with"),
        ("c1c2c3c40", {"width": "2"}, "'c1c2c3c40' cannot be made with"),
        ("c1c2c3c40", {"num_classes": 4}, "arch_options holds num_classes; classes and channels are those of the data"),
    ],
)
def test_options_of_a_wrong_type_are_one_line(data: Path, arch: str, options: dict[str, object], message: str) -> None:
    assert message in refused(train(data, arch, "--arch-options", json.dumps(options)))


@pytest.fixture(scope="module")
def own_run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a network of one's own, not to be changed."""
    folder = networks(tmp_path_factory.mktemp("own")).parent
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(folder)
        result = run("--data", data, "--arch", "net:norm", *DRY, "--out", folder / "run")
    sys.modules.pop("net")
    assert result.exit_code == 0, result.output
    return folder / "run"


def test_a_teacher_of_ones_own_is_taken_once_its_code_is_named(data: Path, own_run: Path) -> None:
    named = ("--teacher", str(own_run), "--teacher-arch", "net:norm")
    said = refused(train(data, "net:rgb", "--teacher", "net:norm"))
    assert "the teacher 'net:norm' is code without trained weights: train it, then name its run" in said
    said = refused(train(data, "net:rgb", *named[:2], "--out", "next"), 5)
    assert "holds 'net:norm', which is not registered: add --teacher-arch net:norm if you trust that code" in said
    assert train(data, "net:rgb", *named, "--out", "taught").exit_code == 0
    assert train(data, "net:norm", *named[:2], "--out", "same").exit_code == 0


def test_25_images_are_predicted_in_batches_each_as_it_comes(
    data: Path, own_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import click
    from torch import nn

    events: list[str | int] = []
    monkeypatch.setattr(click, "echo", lambda line, **_: events.append(line))
    nn.modules.module.register_module_forward_pre_hook(
        lambda module, given: events.append(len(given[0])) if isinstance(module, nn.Conv2d) else None
    )
    image = next((data / "test" / "a").iterdir())
    Path("broken.png").write_bytes(b"no image")
    command = ("predict", "--checkpoint", own_run, "--arch", "net:norm", "--device", "cpu")
    result = run(*command, *[image] * 150, "broken.png", image)
    nn.modules.module._global_forward_pre_hooks.clear()
    sizes = [(place, event) for place, event in enumerate(events) if isinstance(event, int)]
    assert sizes == [(0, 64), (65, 64), (130, 22)]  # the lines of a batch stand before the next
    lines = [event for event in events if isinstance(event, str)]
    assert len(lines) == 151 and len(set(lines[:150])) == 1
    assert result.exit_code == 3 and "broken.png" in lines[150]


def test_25_the_memory_of_a_prediction_does_not_grow_with_the_images(data: Path, own_run: Path) -> None:
    from framework.experiment.evaluation import predict_images

    model = EXPERIMENT.load(own_run, arch="net:norm", device="cpu")
    image, peaks = next((data / "test" / "a").iterdir()), []
    for count in (400, 400, 4000):  # the first time is for what is made once
        tracemalloc.start()
        assert sum(1 for _ in predict_images(model, [image] * count)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.5 * peaks[1] < 4000 * 16 * 16 * 3 / 4  # the images alone
