"""The page of a run, in a browser; and what it is made of without one."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from framework.experiment.run import Run
from recipes.s7_cifar import EXPERIMENT
from tests.framework.experiment.running import ROOT
from tests.framework.experiment.running import run as command

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
GRADIO = importlib.util.find_spec("gradio") is not None
PICTURES = os.environ.get("EMBERFIELD_PICTURES")
"""A folder for pictures of the page, for the documentation."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return EXPERIMENT.train(
        tmp_path_factory.mktemp("app") / "run", data="digits", epochs=1, batch_size=32, limit_batches=6, device="cpu",
        precision="float32", arch="c1c2c3c40_quick", transforms=(), max_params=None, min_receptive_field=None,
        requires=(), forbids=(),
    )  # fmt: skip


def test_an_image_is_explained_at_each_layer(trained: Run) -> None:
    import torch

    from framework.data.statistics import normalize
    from framework.experiment.app import SIDE, explain
    from framework.report.grad_cam import mapped_layers

    model, image = trained.model, trained.reported.data.data.test_images[0]
    layers = mapped_layers(model.network, normalize(torch.from_numpy(image[None].copy()), model.metadata.statistics))
    assert len(layers) > 3
    found, last = explain(model, image, opacity=1.0)
    assert max(found, key=found.__getitem__) == trained.predict(image)[0][0]
    assert sum(found.values()) == pytest.approx(1) and last.shape == (SIDE, SIDE, 3)
    maps = [explain(model, image, layer, 1.0)[1] for layer in layers]
    assert any((one == last).all() for one in maps), "the last feature map is that of a layer"
    assert not all((one == last).all() for one in maps)
    _, none = explain(model, image, layers[0], 0.0)
    grey = np.round(image.mean(2)).repeat(SIDE // 32, 0).repeat(SIDE // 32, 1)
    assert np.abs(none - grey[..., None]).max() <= 1


@pytest.mark.skipif(GRADIO, reason="Gradio is installed")
def test_without_gradio_the_command_says_in_a_line_how_to_get_it(trained: Run) -> None:
    result = command("app", trained.path)
    assert result.exit_code == 6 and result.stderr == "error: the page needs Gradio: pip install 'emberfield[app]'\n"


@pytest.mark.skipif(not GRADIO, reason="needs Gradio: pip install -e '.[app]'")
@pytest.mark.skipif(not BROWSER, reason="needs Chromium: apt-get install chromium")
def test_the_page_classifies_explains_and_shows_the_mistakes(trained: Run, tmp_path: Path) -> None:
    from playwright.sync_api import expect, sync_playwright

    program = [sys.executable, "-W", "ignore", "-m", "recipes.s7_cifar", "app", str(trained.path)]
    served = subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert served.stdout is not None
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
            page = chromium.new_page(viewport={"width": 1200, "height": 1000})
            trouble: list[str] = []
            page.on("pageerror", lambda error: trouble.append(str(error)))
            page.goto(served.stdout.readline())
            expect(page.get_by_role("heading", name="c1c2c3c40_quick on digits")).to_be_visible(timeout=60_000)
            label = page.locator("[data-testid='label-output-value']")

            thumbnails = page.locator("button.thumbnail-item")
            shown = min(12, len(trained.reported.predictions.mistakes()))
            expect(thumbnails).to_have_count(12 + shown, timeout=60_000)
            thumbnails.first.click()
            wanted = trained.predict(trained.reported.data.data.test_images[0])[0][0]
            expect(label).to_have_text(wanted, timeout=60_000)
            assert page.locator("[data-testid$='-confidence-set']").count() == 5

            file = tmp_path / "seven.png"
            image = trained.reported.data.data.test_images[trained.reported.predictions.classes != int(wanted)][0]
            Image.fromarray(image).save(file)
            page.get_by_label("Clear").or_(page.get_by_label("Remove Image")).first.click()
            page.locator("input[type=file]").first.set_input_files(str(file))
            expect(label).to_have_text(trained.predict(file)[0][0], timeout=60_000)
            assert trouble == []
            for width in (1200, 400):
                page.set_viewport_size({"width": width, "height": 1000})
                page.wait_for_timeout(500)
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                if PICTURES:
                    page.screenshot(path=f"{PICTURES}/app-{width}.png", full_page=True)
            chromium.close()
    finally:
        served.kill()
        served.communicate()
