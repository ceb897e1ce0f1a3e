"""The answer sheet of real runs, short ones: its figures, its pictures, and what stops it."""

import json
import re
import shutil
import textwrap
from pathlib import Path

import cv2
import numpy as np
import pytest

from framework.experiment.reporting import read_environment
from framework.run.directory import RunDirectory
from tests.framework.experiment.running import SHORT, run, snapshot

PICTURES = {
    "augmented_samples.png",
    "calibration.png",
    "confusion.png",
    "curves.png",
    "field_of_view.png",
    "grad_cam.png",
    "mistakes.png",
}
URL = "https://example.org/a_b/README.md"
NETWORKS = """
    import torch, torch.nn.functional as F
    from torch import nn

    def functional(*, num_classes, in_channels=3):
        return Functional(num_classes, in_channels)

    class Functional(nn.Module):
        def __init__(self, num_classes, in_channels):
            super().__init__()
            self.first = nn.Parameter(0.3 * torch.randn(8, in_channels, 3, 3))
            self.second = nn.Parameter(0.3 * torch.randn(8, 8, 3, 3))
            self.classes = nn.Linear(8, num_classes)

        def forward(self, x):
            x = F.relu(F.conv2d(F.conv2d(x, self.first, stride=2), self.second))
            return self.classes(x.mean((2, 3)))

    def fixed(*, num_classes, in_channels=3):
        return nn.Sequential(nn.Conv2d(in_channels, 4, 3, 2), nn.Flatten(), nn.Linear(900, num_classes))

    def flat(*, num_classes, in_channels=3):
        return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * 1024, num_classes))
"""


@pytest.fixture
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "others.py").write_text(textwrap.dedent(NETWORKS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture(scope="module")
def reported(finished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the finished run, written outside of it."""
    folder = tmp_path_factory.mktemp("reports") / "made" / "on the way"
    before = snapshot(finished[0])
    result = run("report", finished[0], "--out", folder, "--readme-url", URL, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [str(folder / "report.md"), str(folder / "report.html")]
    assert snapshot(finished[0]) == before
    return folder


def section(text: str, heading: str) -> str:
    """What stands under a heading of the sheet."""
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_the_five_answers_are_those_of_the_run(finished: tuple[Path, str], reported: Path) -> None:
    folder, text = finished[0], (reported / "report.md").read_text()
    model = (reported / "model.py").read_text().rstrip()
    assert f"```python\n{model}\n```" in section(text, "1. The model's code")
    assert "def c1c2c3c40(" in model and "import architectures" not in model and "from architectures" not in model
    assert "Total params: 184,762" in section(text, "2. The output of torchsummary")
    code = section(text, "3. The code of the transforms")
    assert all(f"A.{name}(" in code for name in ("HorizontalFlip", "ShiftScaleRotate", "CoarseDropout"))
    assert (folder / "training.log").read_text().rstrip() in section(text, "4. The training log")
    assert f"(<{URL}>)" in section(text, "5. The README")


def test_the_figures_are_those_of_the_run(finished: tuple[Path, str], reported: Path) -> None:
    results = json.loads((finished[0] / "results.json").read_text())
    text = (reported / "report.md").read_text().replace("\\", "")
    assert f"| test accuracy | {100 * results['test_accuracy']:.2f} % of 360 images |" in text
    assert "| parameters | 184,762 |" in text
    assert "| receptive field before the global pooling | 67 pixels |" in text
    assert "| input coverage | 100 % of the pixels |" in text
    assert "| declared constraints that hold | 8 of 9 |" in text
    assert text.count("| ✓ |") == 8
    accuracy = results["test_accuracy"]
    assert f"> **The test accuracy of {100 * accuracy:.2f} % is not what was declared, at least 0.85.**" in text
    assert (results["min_accuracy"], results["min_accuracy_holds"]) == (0.85, False)
    rows = re.findall(r"^\| \d \| (\d+) \| [\d.]+ % \|", section(text, "Accuracy by class"), re.MULTILINE)
    counts = [int(count) for count in rows]
    assert sum(counts) == 360
    assert "> **A dry run: every epoch and every test was cut off after 6 batches.**" in text


def test_every_picture_is_one_and_the_page_holds_them_all(reported: Path) -> None:
    assert {path.name for path in reported.iterdir()} == PICTURES | {"report.md", "report.html", "model.py"}
    text, page = (reported / "report.md").read_text(), (reported / "report.html").read_text()
    assert set(re.findall(r"!\[[^\]]*\]\((.*?)\)", text)) == PICTURES
    assert page.count('src="data:image/png;base64,') == len(PICTURES)
    for name in PICTURES:
        picture = cv2.imread(str(reported / name))
        assert picture is not None and picture.std() > 5, name


def test_a_stopped_run_is_reported_as_one(finished: tuple[Path, str], tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    shutil.copytree(finished[0], stopped)
    config = json.loads((stopped / "config.json").read_text())
    config["training"]["epochs"] = 5
    (stopped / "config.json").write_text(json.dumps(config))
    for late in ("results.json", "curves.png"):
        (stopped / late).unlink()
    result = run("report", stopped, "--device", "cpu")
    assert result.exit_code == 0, result.output
    text = (stopped / "report" / "report.md").read_text().replace("\\", "")
    assert "> **The run stopped after epoch 2 of 5.**" in text
    assert "| epochs | 2 of 5, batches of 32 |" in text
    assert "Not given." in section(text, "5. The README")


def class_folder(folder: Path, classes: list[str], images: int, size: int = 20) -> Path:
    """Images of noise around a colour of their class."""
    generator = np.random.default_rng(0)
    for part in ("train", "test"):
        for number, name in enumerate(classes):
            (folder / part / name).mkdir(parents=True)
            for image in range(images):
                pixels = generator.integers(0, 60, (size, size, 3)) + 180 * np.array([number & 1, number >> 1 & 1, 1])
                cv2.imwrite(str(folder / part / name / f"{image}.png"), pixels)
    return folder


def report_of(tmp_path: Path, *arguments: str | Path) -> tuple[str, str]:
    """The sheet and the page of a run with one short epoch."""
    done = run(*SHORT, "--epochs", "1", "--batch-size", "8", "--no-constraints", "--out", tmp_path / "run", *arguments)
    assert done.exit_code == 0, done.output
    refused = run("report", tmp_path / "run", "--device", "cpu")
    assert refused.exit_code == 5 and "which is not registered: add --arch others:f" in refused.stderr
    arch = arguments[arguments.index("--arch") + 1]
    result = run("report", tmp_path / "run", "--device", "cpu", "--arch", arch, "--readme-url", "../README.md")
    assert result.exit_code == 0, result.output
    folder = tmp_path / "run" / "report"
    assert "](<../README.md>)" in (folder / "report.md").read_text()
    return (folder / "report.md").read_text().replace("\\", ""), (folder / "report.html").read_text()


@pytest.mark.usefixtures("networks")
def test_a_functional_network_on_a_hundred_classes_of_which_three_have_awkward_names(tmp_path: Path) -> None:
    names = ["a|b", "<b>bold", "$x_1$ *and more letters*"]
    data = class_folder(tmp_path / "data", names + [f"class {number:02d}" for number in range(97)], 2)
    text, page = report_of(tmp_path, "--data", data, "--arch", "others:functional", "--image-size", "32")
    assert text.count("| class ") >= 97
    assert page.count('src="data:image/png;base64,') == len(PICTURES)
    assert "class Functional(nn.Module):" in section(text, "1. The model's code")
    assert "others:functional is not of this repository" in section(text, "1. The model's code")
    assert "✗ | depthwise separable" in text
    assert (
        "> **The network breaks what was declared of it (receptive field, strided convolutions, depthwise separable, "
        in text
    )
    assert "<b>bold" not in page and "&lt;b&gt;bold" in page
    assert "<td>a|b</td>" in page


@pytest.mark.usefixtures("networks")
def test_a_network_for_one_size_on_grey_images_of_which_none_is_a_mistake(tmp_path: Path) -> None:
    dark, light = (np.full((40, 32, 32), level, np.uint8) for level in (20, 230))
    images, labels = np.concatenate([dark, light]), np.repeat([0, 1], 40)
    np.savez(tmp_path / "grey.npz", x_train=images, y_train=labels, x_test=images[::8], y_test=labels[::8])
    text, page = report_of(
        tmp_path, "--data", tmp_path / "grey.npz", "--arch", "others:fixed", "--lr", "0.02", "--transforms", "[]",
        "--limit-batches", "9",
    )  # fmt: skip
    assert "| test accuracy | 100.00 % of 10 images |" in text
    assert "Every test image was classified correctly." in section(text, "Mistakes")
    assert "There are no mistakes." in text
    assert page.count('src="data:image/png;base64,') == len(PICTURES) - 2


@pytest.mark.usefixtures("networks")
def test_a_network_without_a_feature_map_is_reported_with_the_reason_and_torn_files_are_removed(tmp_path: Path) -> None:
    torn, own = (tmp_path / "run" / "report" / name for name in (".report.md.123.part", "notes.part"))
    done = run(
        *SHORT, "--epochs", "1", "--batch-size", "8", "--no-constraints", "--arch", "others:flat", "--data", "digits",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    torn.parent.mkdir()
    torn.touch()
    own.touch()
    result = run("report", tmp_path / "run", "--device", "cpu", "--arch", "others:flat")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "run" / "report" / "report.md").read_text()
    assert "There is no Grad-CAM: the network makes no feature map" in text
    assert "There is no receptive field: the network makes no feature map" in text
    assert "receptive field before" not in text
    assert not torn.exists() and own.exists()


def test_what_cannot_be_reported_is_named_and_nothing_is_written(finished: tuple[Path, str], tmp_path: Path) -> None:
    def copy(name: str) -> Path:
        shutil.copytree(finished[0], tmp_path / name)
        return tmp_path / name

    empty = tmp_path / "empty"
    empty.mkdir()
    (bare := copy("bare") / "best.pt").unlink()
    shutil.rmtree(bare.parent / "checkpoints")
    older = copy("older")
    environment = json.loads((older / "environment.json").read_text())
    del environment["source"]
    (older / "environment.json").write_text(json.dumps(environment))
    torn = copy("torn")
    (torn / "environment.json").write_text("{")
    images = np.zeros((60, 32, 32, 3), np.uint8)
    names = np.arange(60) % 10
    np.savez(tmp_path / "other.npz", x_train=images, y_train=names, x_test=images, y_test=names)
    for folder, options, code, says in (
        (empty, (), 4, "holds no run"),
        (tmp_path / "nowhere", (), 4, "holds no run"),
        (bare.parent, (), 5, "there is no checkpoint at"),
        (older, (), 4, "the run is of an older version"),
        (torn, (), 4, "environment.json cannot be read"),
        (finished[0], ("--readme-url", "javascript:alert(1)"), 2, "--readme-url is 'javascript:alert(1)'"),
        (finished[0], ("--data", tmp_path / "gone"), 3, "gone"),
        (finished[0], ("--data", tmp_path / "other.npz"), 3, "is not what"),
        (finished[0], ("--out", tmp_path / "other.npz" / "x"), 4, "cannot write the report"),
    ):
        result = run("report", folder, "--device", "cpu", *options)
        assert result.exit_code == code, (folder, options, result.output)
        assert says in result.stderr and result.stderr.startswith("error: ")
        assert not (folder / "report").exists()
    assert read_environment(RunDirectory(finished[0]))["source"]


@pytest.mark.skipif(
    not (browser := shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")),
    reason="needs Chromium: apt-get install chromium",
)
def test_the_page_opens_in_a_browser_without_a_network(reported: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        context = chromium.new_context(offline=True, viewport={"width": 1100, "height": 900})
        page = context.new_page()
        trouble: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("requestfailed", lambda request: trouble.append(request.url))
        page.on("request", lambda request: asked.append(request.url[:5]))
        page.goto((reported / "report.html").as_uri())
        widths = page.evaluate("[...document.images].map(image => image.complete ? image.naturalWidth : 0)")
        assert len(widths) == len(PICTURES) and min(widths) > 300
        assert page.title() == "c1c2c3c40 on digits"
        links = page.locator("nav a")
        for place in range(links.count()):
            target = links.nth(place).get_attribute("href")
            assert target and page.locator(target.replace("#", "[id='") + "']").count() == 1
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        wide = "figure > div", "parts => parts.filter(part => part.scrollWidth > part.clientWidth + 1)"
        assert page.eval_on_selector_all(wide[0], f"{wide[1]}.length") == 2  # confusion matrix and field of view
        boxes = "parts => parts.map(part => [...part.children].map(piece => piece.getBoundingClientRect().width))"
        widths = page.eval_on_selector_all(".parts", boxes)
        assert [len(part) for part in widths] == [3, 2, 2, 2]  # curves, calibration, mistakes, Grad-CAM
        assert all(300 < width <= 390 for part in widths for width in part)
        assert trouble == []
        assert set(asked) <= {"file:", "data:"}
        chromium.close()
