"""The commands that use a trained network: that of a run, or one with published weights."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from recipes.console import warn


def network_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a trained network, for `recipes.restoring.restore_named`."""
    for option in (
        click.option("--arch", help="its architecture: for --pretrained, and for a run of one that is not registered"),
        click.option("--pretrained", is_flag=True, help="the network --arch with its published weights"),
        click.option("--checkpoint", type=click.Path(path_type=Path), help="a run directory, or a checkpoint in one"),
    ):
        command = option(command)
    return command


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a data set."""
    for option in (
        click.option("--dataset", type=click.Choice(["cifar10", "digits"]), help="a data set by name"),
        click.option("--data", type=click.Path(path_type=Path), help="a folder or a .npz file"),
    ):
        command = option(command)
    return command


def device_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that names a device."""
    return click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N")(command)


@click.command("evaluate", short_help="Test a trained network.")
@network_options
@data_options
@device_option
@click.option("--flip-average", is_flag=True, help="also average over each image and its mirror image")
def evaluate_command(
    checkpoint: Path | None,
    pretrained: bool,
    arch: str | None,
    data: Path | None,
    dataset: str | None,
    device: str,
    flip_average: bool,
) -> None:
    """Test a network on a data set's test images: that of a run or checkpoint, or one with published weights."""
    from framework.environment import check_libraries, choose_device
    from framework.sources import cache_folder, open_data
    from recipes.restoring import restore_named, test_figures

    check_libraries()
    restored = restore_named(checkpoint, choose_device(device), arch, pretrained=pretrained)
    size = restored.description.image_size
    images = open_data(path=data, dataset=dataset, image_size=size, cache=cache_folder(), notify=warn)
    click.echo(f"checkpoint {restored.source}\ndata {images.name}, {len(images.test_labels)} test images")
    if flip_average:
        averaged = test_figures(restored, images, flip_average=True)["accuracy"]
        click.echo(f"averaged over each image and its mirror image: {100 * averaged:.2f} %")
    figures = test_figures(restored, images)
    click.echo(f"test loss {figures['loss']:.4f}\ntest accuracy {100 * figures['accuracy']:.2f} %")


@click.command("predict", short_help="Classify image files.")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@network_options
@device_option
def predict_command(
    images: Sequence[Path], checkpoint: Path | None, pretrained: bool, arch: str | None, device: str
) -> None:
    """Name the class of each image file, with the network's confidence."""
    from framework.environment import check_libraries, choose_device
    from recipes.predicting import predictions
    from recipes.restoring import restore_named

    check_libraries()
    restored = restore_named(checkpoint, choose_device(device), arch, pretrained=pretrained)
    for image, (class_name, confidence) in zip(images, predictions(restored, images), strict=True):
        click.echo(f"{image}  {class_name}  {100 * confidence:.1f} %")


@click.command("export", short_help="Write a trained network for other programs.")
@network_options
@click.option("--format", "format_name", required=True, type=click.Choice(["onnx", "torch"]), help="of the file")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="a .onnx file, or .pt2 for torch")
@data_options
def export_command(
    checkpoint: Path | None,
    pretrained: bool,
    arch: str | None,
    format_name: str,
    out: Path,
    data: Path | None,
    dataset: str | None,
) -> None:
    """Write a network as ONNX or torch.export's .pt2, checked against PyTorch on images.

    It takes float32 images (N, C, H, W) from 0 to 1, normalises them itself, and gives logits; N is free. It is
    checked on 1,000 test images of --data, or on those of the digits without it.
    """
    from framework.environment import check_libraries, choose_device
    from framework.exporting import FORMATS, require_installed
    from framework.sources import cache_folder, open_data
    from recipes.exporting import export
    from recipes.restoring import restore_named

    check_libraries()
    require_installed(FORMATS[format_name].needs)
    restored = restore_named(checkpoint, choose_device("cpu"), arch, pretrained=pretrained)
    named = dataset if data or dataset else "digits"
    size = restored.description.image_size
    images = open_data(path=data, dataset=named, image_size=size, cache=cache_folder(), notify=warn)
    agreed, count = export(restored, images, format_name, out)
    click.echo(f"network {restored.source}")
    click.echo(f"checked on {agreed.images:,} images of {images.name}")
    click.echo(f"largest difference of the logits {agreed.difference:.1e} (tolerance {agreed.tolerance:.1e})")
    click.echo(f"equal predictions {agreed.equal:,} of {agreed.images:,}")
    click.echo(f"wrote {out}, {count:,} bytes")
