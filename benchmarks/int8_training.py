"""What fine-tuning in simulated int8 gives back: python -m benchmarks.int8_training RUN [RUN ...] --data NAME|PATH.

Each run, of a seed of its own and with images held out, is fine-tuned twice by the same settings: in float32, which is
the control, and with --int8. All three networks are exported in int8, and judged on the held-out images. What is
finished in --out is taken as it is, and what was interrupted goes on.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.command import data_options
from benchmarks.tables import markdown_table, publish, results_option
from framework.export.int8 import Accuracies

COLUMNS = ("run", "float32", "int8", "int8, tuned in float32", "int8, tuned with --int8", "lost", "regained")

Found = tuple[Accuracies, Accuracies, Accuracies]
"""The network of a run, then fine-tuned in float32, then with --int8."""


def row(found: Found) -> tuple[float, ...]:
    """Accuracies in percent, the points that int8 cost, and the share of them that --int8 gave back (NaN for none)."""
    trained, control, tuned = found
    lost = trained.float32 - trained.int8
    regained = (tuned.int8 - trained.int8) / lost if lost else float("nan")
    return tuple(100 * each for each in (trained.float32, trained.int8, control.int8, tuned.int8, lost, regained))


def table(names: Sequence[str], found: Sequence[Found]) -> str:
    """A row for each run; the mean's share is that of the mean accuracies."""
    kinds = ("float32", "int8")
    shares = ([sum(getattr(each[at], kind) for each in found) / len(found) for kind in kinds] for at in range(3))
    first, second, third = (Accuracies("the mean", 0, *each) for each in shares)
    rows = [*map(row, found), row((first, second, third))]
    texts = ([f"{each:.2f}" for each in cells[:-1]] + [f"{cells[-1]:.0f} %"] for cells in rows)
    return markdown_table(COLUMNS, [[name, *text] for name, text in zip([*names, "mean"], texts, strict=True)])


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@data_options
@click.option("--format", "format_name", default="litert", help="the format to export in  [default: litert]")
@click.option("--epochs", default=5, help="of a fine-tuning  [default: 5]")
@click.option("--lr", default=0.01, help="its peak learning rate, of SGD  [default: 0.01]")
@click.option("--out", default=Path("runs/int8"), type=click.Path(path_type=Path), help="where the fine-tunings go")
@results_option
def main(runs: Sequence[Path], data: str, format_name: str, epochs: int, lr: float, out: Path, results: Path) -> None:
    """Print a table of the accuracies on the held-out images, and keep it."""
    from framework.export.formats import FORMATS
    from recipes.s7_cifar import EXPERIMENT

    def judged(run: Path) -> Accuracies:
        written = out / f"{run.name}{FORMATS[format_name].suffix}"
        return EXPERIMENT.export_int8(run, written, format_name, data=data, max_drop=100.0).held_out

    def tuned(run: Path, int8: bool) -> Path:
        folder = out / f"{run.name}-{'int8' if int8 else 'float32'}"
        settings = {"init_from": str(run), "int8": int8, "epochs": epochs, "lr": lr, "optimizer": "sgd"}
        whole: dict[str, Any] = settings | {"data": data, "precision": "float32", "compile": False}  # as --int8 needs
        return EXPERIMENT.train(folder, resume=True, files=(run / "config.json",), **whole).path

    out.mkdir(parents=True, exist_ok=True)
    found = [(judged(run), judged(tuned(run, False)), judged(tuned(run, True))) for run in runs]
    title = f"int8 in {format_name}, before and after {epochs} epochs of fine-tuning at {lr:g}"
    publish(results / f"int8_training-{format_name}.md", title, table([run.name for run in runs], found))


if __name__ == "__main__":
    main()
