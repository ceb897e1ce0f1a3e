from pathlib import Path

import torch

from benchmarks.workers import compare, data_loader, main
from framework.data.data_module import setup
from framework.data.loader import WorkerLoader
from recipes.s7_cifar import EXPERIMENT
from tests.benchmarks.running import run, table_rows


def test_both_loaders_are_measured_and_the_table_is_kept(tmp_path: Path) -> None:
    options = ("--workers", "1", "--rounds", "1", "--steps", "2", "--warmup", "1", "--batch-size", "8")
    printed = run(main, "--data", "digits", *options, "--results", tmp_path)
    pool, other = table_rows(printed)
    assert [pool[0], other[0]] == ["WorkerPool", "DataLoader"]
    assert float(pool[1].replace(",", "")) > 0 and float(pool[3]) > 0 and other[3] == "1.000"
    assert (tmp_path / "workers.md").read_text() == f"# Workers\n\n{printed}"


def test_torchs_loader_gives_the_same_batches() -> None:
    module = setup(EXPERIMENT.settings({"data": "digits", "batch_size": 8}))
    loader = WorkerLoader(module.training, module.sampler, 1, 4, workers=1)
    for own, theirs in zip(loader, data_loader(loader), strict=True):
        assert all(torch.equal(one, other) for one, other in zip(own, theirs, strict=True))


def test_a_figure_is_a_median_and_its_ratio_is_within_a_round() -> None:
    rates = {"WorkerPool": iter([50.0, 20.0, 160.0]), "DataLoader": iter([100.0, 200.0, 400.0])}
    order: list[str] = []

    def measure(name: str) -> float:
        order.append(name)
        return next(rates[name])

    rows = compare({"WorkerPool": lambda: measure("WorkerPool"), "DataLoader": lambda: measure("DataLoader")}, 3)
    assert order == ["WorkerPool", "DataLoader", "DataLoader", "WorkerPool", "WorkerPool", "DataLoader"]
    assert rows == [("WorkerPool", "50", "20 to 160", "0.400"), ("DataLoader", "200", "100 to 400", "1.000")]
