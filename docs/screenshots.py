"""Short trainings of every recipe, and the screenshots of their reports, and of the page of `app`, in docs/pictures.

    PYTHONPATH=. python docs/screenshots.py ../cifar10 /usr/share/datasets/fashion-mnist runs/screenshots

CIFAR-10, Fashion-MNIST, and the folder of the runs: what is finished there is not trained again. It needs the extras
app and test, and Chromium. The trainings are short, of narrow networks on few images or a toy: they show what a
report looks like, and are no results.
"""

import io
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.subset import main as write_subset
from tests.framework.data.toys import SHAPES, shapes, write_tiny_imagenet

PICTURES = Path(__file__).parent / "pictures"
WIDTHS, TALLEST, LARGEST = (1200, 400), 2400, 100_000
"""Pixels of a window's width, and of a picture's height at most; bytes of a file."""

RESNET = ("--arch-options", '{"widths": [16, 32, 48, 64], "depths": [1, 1, 1, 1]}')

TRAININGS: Mapping[str, Sequence[str]] = {
    "s6_normalization": (
        *("--data", "FASHION", "--epochs", "4", "--limit-batches", "5", "--variants", "all", "--seeds", "0,1"),
    ),
    "s7_cifar": ("--data", "CIFAR", "--arch", "c1c2c3c40_quick", "--epochs", "6"),
    "s8_resnet": ("--data", "CIFAR", *RESNET, "--epochs", "6", "--batch-size", "64"),
    "s9_onecycle": ("--data", "CIFAR", "--arch-options", '{"widths": [8, 16, 32, 64]}', "--batch-size", "128"),
    "s10_tiny_imagenet": ("--data", "TINY", *RESNET, "--epochs", "6", "--batch-size", "16"),
    "folder": ("--data", "FEW", "--val-size", "0", "--init-from", "c1c2c3c40", "--epochs", "10"),
}
"""The options of each recipe's training."""

SHOWN: Mapping[str, tuple[str, str]] = {
    "s6_normalization": ("", "mistakes"),
    "s7_cifar": ("", "1-the-model-s-code"),
    "s8_resnet": ("mistakes", "what-the-network-sees"),
    "s9_onecycle": ("", "accuracy-by-class"),
    "s10_tiny_imagenet": ("accuracy-by-class", "calibration"),
    "folder": ("curves", "calibration"),
}
"""The headings of each recipe's report between which it is shown; '' is the top."""


@click.command(help=__doc__)
@click.argument("cifar10")
@click.argument("fashion")
@click.argument("runs", type=click.Path(path_type=Path))
def main(cifar10: str, fashion: str, runs: Path) -> None:
    """Trains, reports, and takes the pictures."""
    places = {"FASHION": fashion, **{name.upper(): str(runs / name) for name in ("cifar", "few", "tiny")}}
    for name, options in (("cifar", [cifar10, "--each", "100"]), ("few", [fashion, "--image-size", "32"])):
        if not (runs / name).exists():
            write_subset([options[0], places[name.upper()], *options[1:]], standalone_mode=False)
    if not (runs / "tiny").exists():
        write_tiny_imagenet(runs / "tiny", shapes(each=16, tests=10), SHAPES)
    for recipe, options in TRAININGS.items():
        program, out = (sys.executable, "-m", f"recipes.{recipe}"), str(runs / recipe)
        machine = ("--device", "cpu", "--precision", "float32", "--resume", "--out", out)
        subprocess.run([*program, *(places.get(option, option) for option in options), *machine], check=True)
        subprocess.run([*program, "compare" if "--variants" in options else "report", out], check=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page()
        for recipe, (first, end) in SHOWN.items():
            page.goto((runs / recipe / "report" / "report.html").resolve().as_uri())
            take(page, recipe, first, end)
        take_app(page, str(runs / "s7_cifar"))
        chromium.close()


def take(page: Page, name: str, first: str = "", end: str = "") -> None:
    """Pictures of a page in each width, from one heading to another, or the whole."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_timeout(500)
        top, bottom = (
            page.evaluate("id => document.getElementById(id)?.getBoundingClientRect().top + scrollY - 20", each)
            if each
            else default
            for each, default in ((first, 0), (end, page.evaluate("document.documentElement.scrollHeight")))
        )
        clip = {"x": 0, "y": top, "width": width, "height": min(bottom - top, TALLEST)}
        image = Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip)))
        for quality in range(75, 20, -5):
            image.save(file := PICTURES / f"{name}-{width}.webp", quality=quality, method=6)
            if file.stat().st_size < LARGEST:
                break
        print(file, f"{file.stat().st_size:,} bytes, quality {quality}")


def take_app(page: Page, run: str) -> None:
    """Pictures of the page of `app` after a click on a test image."""
    served = subprocess.Popen(
        [sys.executable, "-m", "recipes.s7_cifar", "app", run], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert served.stdout is not None
    try:
        page.set_default_timeout(120_000)
        page.goto(served.stdout.readline().decode().strip())
        page.locator("button.thumbnail-item").nth(1).click()
        page.get_by_test_id("label-output-value").wait_for()
        page.wait_for_timeout(3000)
        take(page, "app")
    finally:
        served.send_signal(signal.SIGTERM)
        served.wait()


if __name__ == "__main__":
    main()
