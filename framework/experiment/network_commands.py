"""The commands that look at a network: a trained one, or a registered one. `experiment` is the context's object."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from framework.config.options import FILE, SettingsCommand
from framework.errors import EmberfieldError
from framework.experiment.experiment import Experiment
from framework.run.printable import printable

if TYPE_CHECKING:
    from framework.checkpoint.loaded_model import LoadedModel

FORMAT = click.Choice(["onnx", "torch", "litert", "executorch"])
DATA = click.Option(["--data"], help="a data set by name, a folder, or a .npz file")
ARCH = click.Option(["--arch"], help="the run's architecture, where that is not registered: its code is run")
DEVICE = click.Option(["--device"], default="auto", show_default=True, help="auto, cpu, cuda or cuda:N")
NETWORK = [
    click.Option(["--checkpoint"], type=FILE, help="a run directory, or a checkpoint in one"),
    click.Option(["--pretrained"], is_flag=True, help="the network --arch with its published weights"),
    click.Option(["--arch"], help="for --pretrained, and for a run of an architecture that is not registered"),
]
"""Options that several commands share; NETWORK are those that name a trained network."""


def named_network(
    experiment: Experiment, checkpoint: Path | None, pretrained: bool, arch: str | None, device: str
) -> "LoadedModel":
    """The network that the options name. Raises EmberfieldError unless they name exactly one."""
    if checkpoint is not None and not pretrained:
        return experiment.load(checkpoint, arch=arch, device=device)
    valid = sorted(experiment.package().PRETRAINED)
    if checkpoint is None and pretrained and arch:
        if arch not in valid:
            raise EmberfieldError(f"there are no pretrained weights of {arch!r}. Valid: {', '.join(valid)}")
        return experiment.load(arch, device=device)
    raise EmberfieldError(
        f"name one network, by --checkpoint RUN or by --pretrained --arch NAME; valid: {', '.join(valid)}"
    )


@click.command("evaluate", cls=SettingsCommand, params=[*NETWORK, DATA, DEVICE], short_help="Test a trained network.")
@click.option("--tta", type=click.Choice(["flip"]), help="test-time augmentation: average over the horizontal flip")
@click.pass_obj
def evaluate_command(experiment: Experiment, /, data: str | None, tta: str | None, **named: Any) -> None:
    """Test a network of a run, of a checkpoint, or with published weights, on test images.

    Those of the data that it was trained on, unless --data names others.
    """
    model = named_network(experiment, **named)
    from framework.experiment.named_data import named_images

    images = named_images(experiment, model, data)
    click.echo(f"checkpoint {model.source}\ndata {printable(images.name)}, {len(images.test_labels)} test images")
    if tta:
        click.echo(f"test-time augmentation {tta}")
    figures = experiment.evaluate(model, data=images, tta=tta)
    click.echo(f"test loss {figures.pop('loss'):.4f}\ntest accuracy {100 * figures.pop('accuracy'):.2f} %")
    for name, value in figures.items():
        click.echo(f"test {name} {value:.4f}")


@click.command("predict", params=[*NETWORK, DEVICE], short_help="Classify image files.")
@click.argument("images", nargs=-1, required=True, type=FILE)
@click.pass_obj
def predict_command(experiment: Experiment, /, images: Sequence[Path], **named: Any) -> None:
    """Name the class of each image file, with the network's confidence. A folder stands for the images in it."""
    from framework.experiment.evaluation import predict_images, separate_images

    files = separate_images(images)
    found = predict_images(named_network(experiment, **named), files)
    for image, (class_name, confidence) in zip(files, found, strict=True):
        click.echo(f"{printable(str(image))}  {printable(class_name)}  {100 * confidence:.1f} %")


@click.command("export", params=[*NETWORK, DATA], short_help="Write a trained network for other programs.")
@click.option("--format", required=True, type=FORMAT, help="of the file")
@click.option("--out", required=True, type=FILE, help="a file .onnx, .pt2 (torch), .tflite (litert), .pte (executorch)")
@click.option("--int8", is_flag=True, help="in int8, for uint8 images; not for torch")
@click.option("--calibration", help="images for --int8 by name or path [default: what the run held out]")
@click.option("--calibration-images", type=click.IntRange(1), help="how many, at most half of them [default: 200]")
@click.option("--max-drop", type=click.FloatRange(0, 100), help="points of accuracy that int8 may cost [default: 0.5]")
@click.option("--test", is_flag=True, default=None, help="report what int8 costs on test images, too")
@click.pass_obj
def export_command(
    experiment: Experiment, /, format: str, out: Path, data: str | None, int8: bool, **given: Any
) -> None:
    """Write a network for ONNX, torch.export, LiteRT or ExecuTorch, checked against PyTorch on images.

    It takes float32 images (N, C, H, W) from 0 to 1, normalises them itself, and gives logits; N is free, but 1 for
    litert and executorch. It is checked on 1,000 test images of --data, or on those of the digits without it.

    With --int8 it takes uint8 images (N, H, W, C). It is calibrated and judged on images that its run held out, which
    --data names where they lie elsewhere now, and is written only if it loses no more than --max-drop.
    """
    names = ("calibration", "calibration_images", "max_drop", "test")
    asked = {name: value for name in names if (value := given.pop(name)) is not None}
    if int8:
        _export_int8(experiment, format, out, data=data, asked=asked, **given)
        return
    if asked:
        raise EmberfieldError(f"--{next(iter(asked)).replace('_', '-')} is for --int8")
    from framework.data.registry import open_named
    from framework.export.agreement import check_format

    check_format(format, out)
    model = named_network(experiment, **given, device="cpu")
    images = open_named("digits" if data is None else data, model.metadata.preprocessing)
    agreed = experiment.export(model, out, format, data=images)
    click.echo(f"network {model.source}")
    click.echo(f"checked on {agreed.images:,} images of {printable(images.name)}")
    click.echo(f"largest difference of the logits {agreed.difference:.1e} (tolerance {agreed.tolerance:.1e})")
    click.echo(f"equal predictions {agreed.equal:,} of {agreed.images:,}")
    click.echo(f"wrote {out}, {out.stat().st_size:,} bytes")


def _export_int8(
    experiment: Experiment, format: str, out: Path, data: str | None, asked: Mapping[str, Any], **named: Any
) -> None:
    from framework.export.agreement import check_format
    from framework.export.int8 import require_int8

    require_int8(format)
    check_format(format, out)
    model = named_network(experiment, **named, device="cpu")
    done = experiment.export_int8(model, out, format, data=data, **asked)
    click.echo(f"network {model.source}")
    click.echo(f"calibrated on {done.calibration_images:,} of {printable(done.calibrated_on)}")
    for found in (done.held_out, done.test):
        if found:
            click.echo(
                f"{100 * found.float32:.2f} % in float32, {100 * found.int8:.2f} % in int8, a drop of {found.drop:.2f} "
                f"points, on {found.images:,} of {printable(found.name)}"
            )
    click.echo(f"wrote {out}, {out.stat().st_size:,} bytes, and {out.name}.json")


@click.command("benchmark", params=[ARCH], short_help="Time a trained network in each runtime on this machine.")
@click.argument("network", type=str, metavar="RUN|NETWORK")
@click.option("--data", help="where the run's images lie now [default: where they were]")
@click.option("--calibration", help="images for int8 and accuracy, by name or path [default: what the run held out]")
@click.option("--rounds", type=click.IntRange(1), default=100, show_default=True, help="images to time each on")
@click.option("--out", type=FILE, help="a JSON file for the figures [default: benchmark.json of the run]")
@click.pass_obj
def benchmark_command(experiment: Experiment, /, network: str, **given: Any) -> None:
    """Compare PyTorch, ONNX Runtime, LiteRT and ExecuTorch, as far as installed, in float32 and int8.

    NETWORK names published weights. The table has the latency of one image on one thread, by median and 95th
    percentile, the size of the exported file, the memory by tflite-micro's plan, and the accuracy on held-out images.
    The report of a run shows what was measured last.
    """
    from framework.experiment.benchmarking import benchmark

    click.echo(str(benchmark(experiment, network, **given)))


@click.command("report", params=[ARCH, DEVICE], short_help="Write a run's report, as Markdown and HTML.")
@click.argument("run", type=FILE)
@click.option("--out", type=FILE, help="the folder for it [default: RUN/report]")
@click.option("--data", help="where the run's images lie now [default: where they were]")
@click.option("--readme-url", help="the link to the README")
@click.pass_obj
def report_command(experiment: Experiment, /, run: Path, **given: Any) -> None:
    """Write the report of a finished or stopped run: report.md, report.html and their pictures."""
    for file in experiment.report(run, **given):
        click.echo(file)


@click.command("app", params=[ARCH], short_help="Try a trained network on a page in the browser.")
@click.argument("run", type=FILE)
@click.option("--data", help="where the run's images lie now [default: where they were]")
@click.option("--port", type=click.IntRange(1, 65535), help="of the page [default: a free one from 7860]")
@click.option("--share/--no-share", help="make a public link, by Gradio's servers [default: no]")
@click.pass_obj
def app_command(
    experiment: Experiment, /, run: Path, data: str | None, arch: str | None, port: int | None, share: bool
) -> None:
    """Open a page for a run: classes of an image, Grad-CAM, and the mistakes on the test images; Ctrl-C ends it."""
    from framework.experiment.app import serve_until_stopped

    serve_until_stopped(experiment.open_run(run, data=data, arch=arch), port, share=share, say=click.echo)


@click.command("compare", short_help="Put several runs beside each other, as Markdown and HTML.")
@click.argument("runs", nargs=-1, required=True, type=FILE, metavar="RUN...")
@click.option("--out", type=FILE, help="the folder for it [default: FOLDER/report for one folder of runs]")
@click.option("--mistakes", type=click.IntRange(1), default=20, show_default=True, help="in the gallery of a variant")
@click.pass_obj
def compare_command(experiment: Experiment, /, runs: Sequence[Path], **given: Any) -> None:
    """Compare finished runs, or all in a folder: settings, curves, figures by variant, and misclassified images."""
    for file in experiment.compare(runs, **given):
        click.echo(file)


@click.command("list", short_help="List architectures, data sets and presets.")
@click.pass_obj
def list_command(experiment: Experiment) -> None:
    """List the registered architectures with parameters and options, published weights, data sets, and presets."""
    click.echo(experiment.list())
