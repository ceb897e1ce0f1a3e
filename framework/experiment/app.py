"""A page on which the network of a run is tried, by Gradio: top classes, Grad-CAM, and the run's mistakes."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from framework.checkpoint.loaded_model import LoadedModel
from framework.data.image_data import Images
from framework.data.statistics import normalize
from framework.errors import DeviceError, EmberfieldError
from framework.experiment.evaluation import read_pixels
from framework.experiment.run import Run
from framework.report.gallery import caption
from framework.report.grad_cam import grad_cam, mapped_layers, overlaid

if TYPE_CHECKING:
    from gradio import Blocks

LAST = "the last feature map before the global pooling"
"""The choice of a layer that is made at first."""

EXAMPLES = 12
"""Test images that are offered."""

SIDE = 256
"""The least width of a small image on the page, in pixels."""


def serve(run: Run, port: int | None = None, *, share: bool = False) -> "Blocks":
    """Starts the page of a run at a free port, or at `port`, and returns; with `share` Gradio makes a public link.

    Raises DeviceError where Gradio is missing, EmberfieldError for a port that is taken, and as `Run.reported` does.
    """
    page = make_page(run)
    try:
        page.launch(server_port=port, share=share, prevent_thread_lock=True, quiet=True)
    except OSError as error:
        raise EmberfieldError(f"--port {port} cannot be opened: {error}") from error
    return page


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

    def show(image: Any, layer: str, opacity: float) -> tuple[Mapping[str, float] | None, Images | None]:
        return explain(model, image, None if layer == LAST else layer, opacity) if image is not None else (None, None)

    with gr.Blocks(title=reported.title, analytics_enabled=False) as page:
        gr.Markdown(f"# {reported.title}\n\n{100 * predictions.accuracy:.2f} % of {len(images):,} test images")
        with gr.Row():
            image = gr.Image(label="image", type="pil", image_mode=None, format="png", sources=["upload", "clipboard"])
            label = gr.Label(label="most likely classes", num_top_classes=5)
            heat = gr.Image(label="Grad-CAM of the most likely class", format="png", interactive=False)
        with gr.Row():
            choices = [LAST, *mapped_layers(model.network, _batch(model, images[0]))]
            layer = gr.Dropdown(choices, value=LAST, label="layer of Grad-CAM")
            opacity = gr.Slider(0, 1, 0.55, step=0.05, label="opacity of Grad-CAM")
        offered = gr.Gallery(
            [enlarged(images[n]) for n in examples],
            label="test images", columns=6, height="auto", allow_preview=False, format="png",
        )  # fmt: skip
        most = max(1, min(100, len(wrong)))
        count = gr.Slider(1, most, min(12, most), step=1, label=f"mistakes to show, of {len(wrong):,}")
        gallery = gr.Gallery(
            mistakes(count.value), label="the most confident mistakes", columns=6, height="auto",
            allow_preview=False, format="png",
        )  # fmt: skip

        def chooser(shown: npt.NDArray[np.int64]) -> Callable[..., Images]:
            def choose(event: gr.SelectData) -> Images:
                return np.asarray(images[shown[event.index]])

            return choose

        offered.select(chooser(examples), None, image)
        gallery.select(chooser(wrong), None, image)
        count.change(mistakes, count, gallery)
        gr.on([image.change, layer.change, opacity.change], show, [image, layer, opacity], [label, heat])
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


def enlarged(image: Images) -> Images:
    """A small image (H, W, 1 or 3) as RGB, each pixel repeated until it is `SIDE` wide."""
    times = max(1, -(-SIDE // image.shape[1]))
    larger: npt.NDArray[np.uint8] = image.repeat(times, 0).repeat(times, 1)
    return larger.repeat(3, 2) if larger.shape[2] == 1 else larger


def _batch(model: LoadedModel, pixels: Images) -> torch.Tensor:
    return normalize(torch.from_numpy(pixels[None].copy()).to(model.device), model.metadata.statistics)
