"""A page on which the network of a run is tried, by Gradio: top classes, Grad-CAM, and the run's mistakes."""

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from framework.checkpoint.loaded_model import LoadedModel
from framework.data.image_data import Images
from framework.data.statistics import normalize
from framework.errors import DataError, DeviceError, EmberfieldError, StoppedError
from framework.experiment.evaluation import read_pixels
from framework.experiment.run import Run
from framework.report.gallery import caption
from framework.report.grad_cam import grad_cam, mapped_layers, overlaid
from framework.report.markdown import escape
from framework.run.signals import Stop

if TYPE_CHECKING:
    from gradio import Blocks

LAST = "the last feature map before the global pooling"
"""The choice of a layer that is made at first."""

EXAMPLES = 12
"""Test images that are offered."""

SIDE = 256
"""The least width of a small image on the page, in pixels."""

STYLE = """
.large img { width: 100%; height: 100%; object-fit: contain; image-rendering: pixelated; }
.caption-label { max-width: 100%; white-space: normal; }
.grid-wrap { max-height: none !important; }
@media (max-width: 640px) { .grid-container { grid-template-columns: repeat(2, 1fr) !important; } }
"""
"""Small images are shown large; captions and galleries are whole; on a telephone these have two columns."""


def serve(run: Run, port: int | None = None, *, share: bool = False) -> "Blocks":
    """Starts the page of a run at a free port, or at `port`, and returns; with `share` Gradio makes a public link.

    Raises DeviceError where Gradio is missing, EmberfieldError for a port that is taken, and as `Run.reported` does.
    """
    page = make_page(run)
    try:
        page.launch(
            server_port=port, share=share, prevent_thread_lock=True, quiet=True, ssr_mode=False, css=STYLE,
            footer_links=[],
        )  # fmt: skip
    except OSError as error:
        raise EmberfieldError(f"--port {port} cannot be opened: {error}") from error
    return page


def serve_until_stopped(run: Run, port: int | None, *, share: bool, say: Callable[[str], object]) -> None:
    """Serves as `serve` does and says the address; SIGINT, SIGTERM or SIGHUP ends it, and nothing of it is left."""
    with suppress(StoppedError), Stop(), TemporaryDirectory() as folder, ExitStack() as closing:
        os.environ["GRADIO_TEMP_DIR"] = folder  # of the images on the page
        page = serve(run, port, share=share)
        closing.callback(page.close, verbose=False)
        say(page.share_url or page.local_url)
        threading.Event().wait()


def make_page(run: Run) -> "Blocks":
    """The page, which is not yet served. Raises as `serve` does."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # nothing is sent to anybody
    try:
        import gradio as gr
    except ImportError as error:
        raise DeviceError("the page needs Gradio: pip install 'emberfield[app]'") from error
    reported = run.reported
    model, images, predictions = reported.model, reported.data.data.test_images, reported.predictions
    wrong = predictions.mistakes()
    examples = np.linspace(0, len(images) - 1, min(EXAMPLES, len(images))).astype(int)

    def mistakes(count: float) -> list[tuple[Images, str]]:
        return [(enlarged(images[n]), caption(predictions, n).replace("\n", ", ")) for n in wrong[: int(count)]]

    def show(file: str | None, layer: str, opacity: float) -> tuple[Mapping[str, float] | None, Images | None]:
        if file is None:
            return None, None
        try:
            return explain(model, file, None if layer == LAST else layer, opacity)
        except DataError as error:
            said = str(error).replace(str(Path(file).parent) + os.sep, "")  # the server's copy has the file's own name
            raise gr.Error(said, duration=None, print_exception=False) from error

    large = {"format": "png", "height": 300, "min_width": 280, "buttons": ["fullscreen"], "elem_classes": "large"}
    small = {"format": "png", "columns": 6, "buttons": [], "show_label": False, "allow_preview": False}
    with gr.Blocks(title=reported.title, analytics_enabled=False) as page:
        measured = f"Test accuracy {100 * predictions.accuracy:.2f} % of {len(images):,} images."
        gr.Markdown(f"# {escape(reported.title)}\n\n{measured}")
        with gr.Row():
            image = gr.Image(label="Your image", type="filepath", sources=["upload", "clipboard"], **large)
            image.preprocess = _file  # Gradio's own opens it with Pillow, which knows fewer formats
            label = gr.Label(label="Most likely classes", num_top_classes=5, min_width=280)
            heat = gr.Image(label="Grad-CAM of the most likely class", interactive=False, **large)
        with gr.Row():
            choices = [LAST, *mapped_layers(model.network, _batch(model, images[0]))]
            layer = gr.Dropdown(choices, value=LAST, label="Layer of Grad-CAM", min_width=280)
            opacity = gr.Slider(0, 1, 0.55, step=0.05, label="Opacity of Grad-CAM", min_width=280)
        gr.Markdown("## Test images\n\nA click on one, here or below, makes it the image above.")
        offered = gr.Gallery([enlarged(images[n]) for n in examples], label="Test images", height="auto", **small)
        gr.Markdown(f"## The most confident of {len(wrong):,} mistakes")
        most = max(1, min(100, len(wrong)))
        count = gr.Slider(1, most, min(12, most), step=1, label="How many", visible=most > 1)
        gallery = gr.Gallery(mistakes(count.value), label="Mistakes", height="auto", **small)

        def chooser(shown: npt.NDArray[np.int64]) -> Callable[..., Images]:
            def choose(event: gr.SelectData) -> Images:
                return enlarged(images[shown[event.index]], 1)

            return choose

        offered.select(chooser(examples), None, image)
        gallery.select(chooser(wrong), None, image)
        count.change(mistakes, count, gallery)
        changed = [image.change, layer.change, opacity.change]
        gr.on(changed, show, [image, layer, opacity], [label, heat], trigger_mode="always_last")
    return page


def explain(
    model: LoadedModel, image: Any, layer: str | None = None, opacity: float = 0.55
) -> tuple[dict[str, float], Images]:
    """The probability of each class, and an image with the Grad-CAM of the likeliest one above it, (H, W, 3).

    `image` is a file, an array or Pillow's; `layer` is one of `mapped_layers`, or None for the last feature map.
    """
    pixels = read_pixels(image, model.metadata)
    batch = _batch(model, pixels)
    with torch.no_grad():
        probabilities = model.network(batch).softmax(1)
    (heat,) = grad_cam(model.network, batch, probabilities.argmax(1), layer).cpu().numpy()
    found = dict(zip(model.metadata.class_names, probabilities[0].tolist(), strict=True))
    return found, enlarged(np.round(255 * overlaid(pixels, heat, opacity)).astype(np.uint8))


def enlarged(image: Images, width: int = SIDE) -> Images:
    """A small image (H, W, 1 or 3) as RGB, each pixel repeated until it is `width` wide."""
    times = max(1, -(-width // image.shape[1]))
    larger: npt.NDArray[np.uint8] = image.repeat(times, 0).repeat(times, 1)
    return larger.repeat(3, 2) if larger.shape[2] == 1 else larger


def _file(received: Any) -> str | None:
    """The server's copy of an uploaded or chosen image, unopened; None for none."""
    path: str | None = received and received.path
    return path


def _batch(model: LoadedModel, pixels: Images) -> torch.Tensor:
    return normalize(torch.from_numpy(pixels[None].copy()).to(model.device), model.metadata.statistics)
