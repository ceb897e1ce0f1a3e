"""The commands that look at a network: a trained one, or a registered one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from framework.config.options import SettingsCommand
from framework.experiment.experiment import Experiment


def make_network_commands(experiment: Experiment) -> tuple[click.Command, ...]:
    """`evaluate`, `predict`, `export`, `report` and `summary`."""
    return (
        make_evaluate_command(experiment),
        make_predict_command(experiment),
        make_export_command(experiment),
        make_report_command(experiment),
        make_summary_command(experiment),
    )


def network_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a trained network, for `Experiment.load`."""
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
        click.option("--dataset", help="a data set by name"),
        click.option("--data", help="a folder, a .npz file, or a data set by name"),
    ):
        command = option(command)
    return command


def device_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that names a device."""
    return click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N")(command)


def make_evaluate_command(experiment: Experiment) -> click.Command:
    """`evaluate`."""

    @click.command("evaluate", cls=SettingsCommand, short_help="Test a trained network.")
    @network_options
    @data_options
    @device_option
    @click.option("--tta", type=click.Choice(["flip"]), help="test-time augmentation: average over the horizontal flip")
    def evaluate_command(data: str | None, dataset: str | None, device: str, tta: str | None, **named: Any) -> None:
        """Test a network on a data set's test images: that of a run or checkpoint, or one with published weights."""
        model = experiment.load(**named, device=device)

        from framework.experiment.data import open_named
        from framework.experiment.evaluation import evaluate_model

        images = open_named(data, model.metadata.image_size, dataset)
        click.echo(f"checkpoint {model.source}\ndata {images.name}, {len(images.test_labels)} test images")
        if tta:
            click.echo(f"test-time augmentation {tta}")
        further = experiment.metrics() if experiment.metrics else None
        figures = evaluate_model(model, images, tta=tta, metrics=further)
        click.echo(f"test loss {figures.pop('loss'):.4f}\ntest accuracy {100 * figures.pop('accuracy'):.2f} %")
        for name, value in figures.items():
            click.echo(f"test {name} {value:.4f}")

    return evaluate_command


def make_predict_command(experiment: Experiment) -> click.Command:
    """`predict`."""

    @click.command("predict", short_help="Classify image files.")
    @click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
    @network_options
    @device_option
    def predict_command(images: Sequence[Path], **named: Any) -> None:
        """Name the class of each image file, with the network's confidence."""
        for image, (class_name, confidence) in zip(images, experiment.predict(images, **named), strict=True):
            click.echo(f"{image}  {class_name}  {100 * confidence:.1f} %")

    return predict_command


def make_export_command(experiment: Experiment) -> click.Command:
    """`export`."""

    @click.command("export", short_help="Write a trained network for other programs.")
    @network_options
    @click.option("--format", "format_name", required=True, type=click.Choice(["onnx", "torch"]), help="of the file")
    @click.option("--out", required=True, type=click.Path(path_type=Path), help="a .onnx file, or .pt2 for torch")
    @data_options
    def export_command(format_name: str, out: Path, data: str | None, dataset: str | None, **named: Any) -> None:
        """Write a network as ONNX or torch.export's .pt2, checked against PyTorch on images.

        It takes float32 images (N, C, H, W) from 0 to 1, normalises them itself, and gives logits; N is free. It is
        checked on 1,000 test images of --data, or on those of the digits without it.
        """
        from framework.experiment.exporting import check_format

        check_format(format_name, out)
        model = experiment.load(**named, device="cpu")

        from framework.experiment.data import open_named
        from framework.experiment.exporting import export_model

        images = open_named(data, model.metadata.image_size, dataset or (None if data else "digits"))
        agreed = export_model(model, images, format_name, out)
        click.echo(f"network {model.source}")
        click.echo(f"checked on {agreed.images:,} images of {images.name}")
        click.echo(f"largest difference of the logits {agreed.difference:.1e} (tolerance {agreed.tolerance:.1e})")
        click.echo(f"equal predictions {agreed.equal:,} of {agreed.images:,}")
        click.echo(f"wrote {out}, {out.stat().st_size:,} bytes")

    return export_command


def make_report_command(experiment: Experiment) -> click.Command:
    """`report`."""

    @click.command("report", short_help="Write a run's report, as Markdown and HTML.")
    @click.argument("run", type=click.Path(path_type=Path))
    @click.option("--out", type=click.Path(path_type=Path), help="the folder for it [default: RUN/report]")
    @click.option("--data", help="where the run's images lie now [default: where they were]")
    @click.option("--readme-url", help="the link to the README")
    @click.option("--arch", help="its architecture; needed for one that is not registered")
    @device_option
    def report_command(run: Path, **options: Any) -> None:
        """Write the report of a finished or stopped run: report.md, report.html and their pictures."""
        for file in experiment.report(run, **options):
            click.echo(file)

    return report_command


def make_summary_command(experiment: Experiment) -> click.Command:
    """`summary`, for the recipe's own network unless another is named."""
    defaults = experiment.defaults

    @click.command("summary", short_help="Show a network's layers and what is declared of it.")
    @click.option("--arch", default=defaults.network.arch, show_default=True, help="a registered architecture")
    @click.option(
        "--image-size", default=defaults.data.image_size, show_default=True, help="height and width in pixels"
    )
    @click.option("--json", "as_json", is_flag=True, help="for programs")
    def summary_command(**options: Any) -> None:
        """Show torchsummary's table, then ours, then the recipe's constraints on the network."""
        click.echo(experiment.summary(**options))

    return summary_command
