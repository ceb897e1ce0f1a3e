"""An experiment of somebody else's package: a short file, all commands, and no line changed here."""

import json
import os
import subprocess
import textwrap
from pathlib import Path

import numpy as np
import pytest

from tests.framework.experiment.running import ROOT
from tests.warm_python import warm_python

NETWORKS = """
    from torch import nn

    PRETRAINED = {}

    def create(name, *, num_classes=10, pretrained=False, **options):
        return nn.Sequential(nn.Conv2d(options.get("in_channels", 3), 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                             nn.Flatten(), nn.Linear(8, num_classes))

    def names():
        return ["tiny"]

    def options(name):
        return {}

    def describe(name):
        return "One convolution."

    def option_types(name):
        return {}

    def libraries():
        return {}

    def pretrained_weights(name):
        raise ValueError(name)

    def source_files(name):
        return {"mine/networks.py": open(__file__).read()}
"""
RECIPE = '''
    """S9: a tiny network on two kinds of stripes, with an L1 penalty.

        python -m mine.s9
    """

    from pathlib import Path

    from framework.config import Config, NetworkConfig, TrainingConfig
    from framework.experiment import Experiment


    def stripes():
        import numpy as np
        from framework.data.image_data import ImageData

        labels = np.arange(120) % 2
        images = np.random.default_rng(0).integers(0, 90, (120, 32, 32, 3), np.uint8)
        images[labels == 0, ::2] += 150
        images[labels == 1, :, ::2] += 150
        return ImageData(name="stripes", train_images=images[:100], train_labels=labels[:100], test_images=images[100:],
                         test_labels=labels[100:], class_names=("rows", "columns"))


    def l1(network, logits, targets):
        return 0.05 * sum(p.abs().sum() for p in network.parameters())


    class Epochs:
        """Counts the epochs that were validated, over all restarts."""

        def __init__(self, state):
            from framework.engine.training import TrainingEvents

            self.count = 0
            state.trainer.add_event_handler(TrainingEvents.VALIDATED, self.add)

        def add(self):
            self.count += 1

        def state_dict(self):
            return {"count": self.count}

        def load_state_dict(self, state):
            self.count = state["count"]


    def top_2():
        from ignite.metrics import TopKCategoricalAccuracy

        return {"top_2": TopKCategoricalAccuracy(2)}


    EXPERIMENT = Experiment(
        name="s9", module=__spec__, description=__doc__, networks="mine.networks", data=stripes, loss_terms=[l1],
        handlers={"epochs": Epochs}, metrics=top_2, presets=Path(__file__).with_name("presets"),
        report_sections={"What I learnt": lambda evidence: ["Stripes are easy."], "Code": "model_code"},
        variants={"slow": {"lr": 0.001}, "fast": {"lr": 0.2}},
        defaults=Config(network=NetworkConfig(arch="tiny"), training=TrainingConfig(epochs=2, batch_size=10)),
    )
    main = EXPERIMENT.command_line()

    if __name__ == "__main__":
        main()
'''


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package `mine`, and a `recipes` of its own that is not ours."""
    folder = tmp_path_factory.mktemp("outside")
    for name, text in {
        "mine/__init__.py": "",
        "mine/networks.py": NETWORKS,
        "mine/s9.py": RECIPE,
        "mine/presets/short.json": json.dumps({"training": {"epochs": 1}}),
        "recipes/__init__.py": "raise RuntimeError('not this one')",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    return folder


def python(outside: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Python in a folder, with this framework on the path after it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([warm_python(), *arguments], cwd=outside, env=environment, capture_output=True, text=True)


def run(outside: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`python -m mine.s9` in its folder."""
    return python(outside, "-m", "mine.s9", *arguments)


@pytest.fixture(scope="module")
def trained(outside: Path) -> Path:
    done = run(outside, "train", "--preset", "short", "--variant", "fast", "--out", "runs/one", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    return outside / "runs" / "one"


def test_a_recipe_is_short_and_imports_no_other() -> None:
    lines = textwrap.dedent(RECIPE).strip().splitlines()
    ours = (ROOT / "recipes" / "s7_cifar.py").read_text().splitlines()
    assert len(ours) <= 80 and len(lines) <= 80
    assert not [line for line in (*lines, *ours) if "import" in line and "recipes" in line]


def test_its_data_loss_metric_handler_preset_and_variant_are_used(trained: Path) -> None:
    results = json.loads((trained / "results.json").read_text())
    config = json.loads((trained / "config.json").read_text())
    assert (results["data"], results["epochs"]) == ("stripes", 1)
    assert config["optimization"]["lr"] == 0.2
    assert results["test_top_2"] == 1.0  # of two classes
    (epoch,) = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert epoch["val_top_2"] == 1.0
    assert epoch["loss"] > epoch["val_loss"] + 0.5  # the logged loss contains the penalty
    from framework.checkpoint.file_format import load_checkpoint

    (checkpoint,) = (trained / "checkpoints").glob("*.pt")
    assert load_checkpoint(checkpoint)["handlers"] == {"epochs": {"count": 1}}


def test_it_has_all_commands_and_its_own_name_stands_where_a_command_is_printed(outside: Path, trained: Path) -> None:
    np.savez(
        outside / "x.npz",
        x_train=np.zeros((9, 32, 32, 3), np.uint8), y_train=np.arange(9) % 2,
        x_test=np.zeros((9, 32, 32, 3), np.uint8), y_test=np.arange(9) % 2, class_names=np.array(["rows", "columns"]),
    )  # fmt: skip
    import cv2

    cv2.imwrite(str(outside / "a.png"), np.zeros((32, 32, 3), np.uint8))
    commands = (
        ("evaluate", "--checkpoint", str(trained), "--data", "x.npz"),
        ("predict", "--checkpoint", str(trained), "a.png"),
        ("export", "--checkpoint", str(trained), "--format", "torch", "--out", "a.pt2", "--data", "x.npz"),
        ("report", str(trained), "--device", "cpu"),
        ("summary",),
        ("list",),
        ("doctor",),
    )
    code = f"from mine.s9 import main\nfor command in {commands!r}:\n    main(command, standalone_mode=False)"
    done = python(outside, "-c", code)
    assert done.returncode == 0, done.stderr
    assert "--preset short" in done.stdout and "wrote a.pt2" in done.stdout and "test accuracy" in done.stdout
    text = (trained / "report" / "report.md").read_text()
    assert "## What I learnt\n\nStripes are easy." in text
    assert f"python -m mine.s9 --config {trained / 'config.json'}" in text
    assert run(outside, "--preset", "quick").stderr.startswith("error: unknown preset 'quick'")


def test_its_resume_is_proved_exact_in_processes_of_its_own(outside: Path) -> None:
    done = run(outside, "verify-resume", "--kills", "1", "--limit-batches", "9", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "equal"


def test_a_short_copy_of_the_recipe_trains_another_network_on_other_data(tmp_path: Path) -> None:
    """At most 50 lines: another network, data set and loss term, and nothing of another recipe."""
    lines = textwrap.dedent(RECIPE).strip().splitlines()
    start, stop = lines.index("class Epochs:"), lines.index("def top_2():")
    text = "\n".join(lines[:start] + lines[stop + 5 :])
    text = text.replace('handlers={"epochs": Epochs}, metrics=top_2, ', "")
    text = text.replace('"mine.networks"', '"architectures"')
    text = text.replace('arch="tiny"', 'arch="c1c2c3c40_quick"').replace('Path(__file__).with_name("presets")', "None")
    assert len(text.splitlines()) <= 50
    (tmp_path / "recipe.py").write_text(text)
    for command in (["recipe.py"], ["-m", "recipe"]):  # as a file, and as a module
        options = ["--limit-batches", "1", "--epochs", "1", "--device", "cpu", "--out", f"run{len(command)}"]
        done = subprocess.run(
            [warm_python(), *command, *options],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "data stripes" in done.stdout
