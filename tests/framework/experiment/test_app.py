"""The page of a run, in a browser; and what it is made of without one."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from framework.experiment.run import Run
from recipes.s7_cifar import EXPERIMENT
from tests.framework.experiment.running import ROOT
from tests.framework.experiment.running import run as command

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
GRADIO = importlib.util.find_spec("gradio") is not None


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return EXPERIMENT.train(
        tmp_path_factory.mktemp("app") / "run", data="digits", epochs=1, batch_size=32, limit_batches=30, device="cpu",
        precision="float32", arch_options={"widths": [8, 16, 16, 16]}, lr=0.3, transforms=(), min_accuracy=None,
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


def serve(run: Run, proxy: int, temporary: Path) -> "subprocess.Popen[str]":
    """The command `app`, with a `proxy` at that port for what lies outside, and a folder for its `temporary` files."""
    proxies = {f"{kind}_PROXY": f"http://127.0.0.1:{proxy}" for kind in ("HTTP", "HTTPS", "ALL")}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "recipes.s7_cifar", "app", str(run.path)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **proxies, "NO_PROXY": "localhost,127.0.0.1", "TMPDIR": str(temporary)},
    )  # fmt: skip


def require_all_in_sight(page: Any, width: int) -> None:
    """Nothing is wider than the window, and no gallery scrolls within itself."""
    page.set_viewport_size({"width": width, "height": 1000})
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = "walls => walls.filter(wall => wall.scrollHeight > wall.clientHeight + 1).length"
    assert page.eval_on_selector_all(".grid-wrap", cut) == 0


@pytest.mark.skipif(not GRADIO, reason="needs Gradio: pip install -e '.[app]'")
@pytest.mark.timeout(600)
@pytest.mark.skipif(not BROWSER, reason="needs Chromium: apt-get install chromium")
def test_the_page_explains_images_asks_nobody_and_leaves_nothing(trained: Run, tmp_path: Path) -> None:
    from playwright.sync_api import expect, sync_playwright

    images, predictions = trained.reported.data.data.test_images, trained.reported.predictions
    outside = socket.create_server(("127.0.0.1", 0))
    (temporary := tmp_path / "temporary").mkdir()
    served = serve(trained, outside.getsockname()[1], temporary)
    assert served.stdout is not None
    try:
        address = served.stdout.readline().strip()
        with (
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"]) as chromium,
        ):
            page = chromium.new_page(viewport={"width": 1200, "height": 1000})
            page.set_default_timeout(60_000)
            expect.set_options(timeout=60_000)
            trouble: list[str] = []
            asked: list[str] = []
            page.on("pageerror", lambda error: trouble.append(str(error)))
            page.on("request", lambda request: asked.append(request.url))
            page.goto(address)
            expect(page.get_by_role("heading", name="c1c2c3c40 on digits")).to_be_visible()
            thumbnails, label = page.locator("button.thumbnail-item"), page.get_by_test_id("label-output-value")
            wrong = predictions.mistakes()
            expect(thumbnails).to_have_count(12 + min(12, len(wrong)))
            expect(thumbnails.nth(12)).to_contain_text(f"true: {predictions.labels[wrong[0]]}")

            thumbnails.first.click()
            expect(label).to_have_text(str(predictions.classes[0]))
            shares = page.locator("[data-testid$='-confidence-set']")
            expect(shares).to_have_count(5)
            expect(shares.first).to_contain_text(f"{100 * predictions.confidences[0]:.0f}%")
            heat = page.locator(".large img").nth(1)
            before = heat.get_attribute("src")
            page.get_by_role("slider", name="Opacity").fill("0.1")
            expect(heat).not_to_have_attribute("src", before or "")

            other = int(np.flatnonzero(predictions.classes != predictions.classes[0])[0])
            Image.fromarray(images[other]).save(tmp_path / "mine.png")
            (tmp_path / "notes.png").write_text("not an image")
            for file in ("notes.png", "mine.png"):
                page.get_by_label("Clear").or_(page.get_by_label("Remove Image")).first.click()
                page.locator("input[type=file]").first.set_input_files(str(tmp_path / file))
                if file == "notes.png":
                    expect(page.get_by_text("notes.png is not an image, or a broken one")).to_be_visible()
            expect(label).to_have_text(str(predictions.classes[other]))

            assert trouble == [] and {urlsplit(url).netloc for url in asked} == {urlsplit(address).netloc}
            for width in (1200, 400):
                require_all_in_sight(page, width)
        served.send_signal(signal.SIGINT)
        assert served.communicate(timeout=60) == ("", "") and served.returncode == 0
    finally:
        served.kill()
        served.communicate()
    outside.setblocking(False)
    with outside, pytest.raises(BlockingIOError):
        outside.accept()
    assert list(temporary.iterdir()) == []
