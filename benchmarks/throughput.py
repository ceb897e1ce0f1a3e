"""Training speed side by side: python -m benchmarks.throughput --data ../cifar10 [--device cuda].

Every contender trains the same network with the same batch, optimizer, loss and images, in a process of its own, in
several rounds that take turns; a figure is the median of the rounds, and a ratio is taken within a round. `bare` is the
limit: the step alone. The peers run once with their defaults (float32, no worker processes) and once tuned: our
precision and memory format, and the worker count that a first round found best for them.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from framework.run.environment import describe_environment, version_of

HERE = Path(__file__).parent
PEERS = ("ignite_stock", "lightning_stock", "loop")
WORKERS = (0, 2, 4)
"""What is tried for the tuned peers."""

SEARCH = ("--warmup", "5", "--steps", "20")
"""How long each of them is tried."""

Case = tuple[str, str, str]
"""Contender, settings ('default' or 'tuned'), augment ('none' or 'sheet')."""


def cases() -> list[Case]:
    """All that is measured, in the order of a round."""
    ours = [("bare", "tuned", "none"), *(("emberfield", "tuned", augment) for augment in ("none", "sheet"))]
    peers = [(peer, kind, augment) for peer in PEERS for kind in ("default", "tuned") for augment in ("none", "sheet")]
    return ours + peers


def measure(case: Case, common: list[str], workers: int = 0) -> dict[str, Any]:
    """Runs one case in its own process."""
    contender, kind, augment = case
    command = [sys.executable, "-m", "benchmarks.contenders", contender, *common, "--workers", str(workers)]
    command += [*(["--tuned"] if kind == "tuned" else []), *(["--augment"] if augment == "sheet" else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{contender} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def machine() -> str:
    """What it runs on, and with which libraries."""
    found: dict[str, Any] = describe_environment()
    libraries = ", ".join(f"{name} {version_of(name)}" for name in ("torch", "pytorch-ignite", "lightning"))
    gpus = "".join(f", {name}" for name in found["cuda_devices"])
    return f"{found['cores']} cores of {found['cpu']}{gpus}; Python {found['python']}, {libraries}"


@click.command()
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path), help="CIFAR-10, as for train")
@click.option("--device", default="cpu", show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--steps", default=150, show_default=True, help="measured steps of a round")
@click.option("--warmup", default=30, show_default=True, help="steps before them")
@click.option("--batch-size", default=64, show_default=True)
def main(data: Path, device: str, rounds: int, steps: int, warmup: int, batch_size: int) -> None:
    """Measures all contenders; prints a table, and writes RESULTS.md and results/throughput-DEVICE.json."""
    common = ["--data", str(data), "--device", device, "--batch-size", str(batch_size), "--steps", str(steps)]
    common += ["--warmup", str(warmup)]
    precision = measure(("bare", "tuned", "none"), common)["precision"]
    common += ["--precision", precision]
    best = dict.fromkeys(cases(), 0)
    for case in best:
        if case[0] in PEERS and case[1] == "tuned":
            rates = {n: measure(case, [*common, *SEARCH], n)["images_per_second"] for n in WORKERS}
            best[case] = max(rates, key=lambda n: rates[n])
            click.echo(f"{case[0]} with {case[2]}: {best[case]} workers are best of {rates}", err=True)
    found: dict[Case, list[dict[str, Any]]] = {case: [] for case in cases()}
    for number in range(rounds):
        for case, workers in best.items():
            found[case].append(measure(case, common, workers))
        click.echo(f"round {number + 1} of {rounds}", err=True)
    limit = [one["images_per_second"] for one in found["bare", "tuned", "none"]]
    rows, objects = [], []
    for case, measured in found.items():
        rates = [one["images_per_second"] for one in measured]
        ratio = statistics.median(rate / bare for rate, bare in zip(rates, limit, strict=True))
        peak = round(statistics.median(one["peak_bytes"] for one in measured))
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        rows.append(
            (*case, best[case], f"{statistics.median(rates):,.0f}", spread, f"{ratio:.3f}", f"{peak / 2**20:,.0f}")
        )
        objects.append(
            {
                "contender": case[0],
                "settings": case[1],
                "augment": case[2],
                "workers": best[case],
                "images_per_second": statistics.median(rates),
                "ratio_to_bare": ratio,
                "peak_bytes": peak,
            }
        )
    header = ("contender", "settings", "augment", "workers", "images/s", "range", "of bare", "peak MiB")
    table = "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (header, ["---"] * len(header), *rows))
    click.echo(table)
    (HERE / "results").mkdir(exist_ok=True)
    kind = device.split(":")[0]
    (HERE / "results" / f"throughput-{kind}.json").write_text(json.dumps(objects, indent=2) + "\n", encoding="utf-8")
    how = f"{precision}, batch {batch_size}, median of {rounds} rounds of {steps} steps after {warmup}"
    title = f"# Throughput on {kind}\n\n{machine()}; {how}.\n\n"
    (HERE / "RESULTS.md").write_text(title + table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
