import json
import shutil
from pathlib import Path

from benchmarks.accuracy import COLUMNS, main
from tests.benchmarks.running import run, table_rows


def changed_copy(finished: Path, folder: Path, **changes: object) -> Path:
    """A copy of a run with other results."""
    shutil.copytree(finished, folder)
    results = json.loads((folder / "results.json").read_text())
    (folder / "results.json").write_text(json.dumps(results | changes))
    return folder


def test_the_row_of_a_finished_run_is_its_own_results(trained: Path) -> None:
    results = json.loads((trained / "run" / "results.json").read_text())
    (cells,) = table_rows(run(main, trained / "run"))
    found = dict(zip(COLUMNS, cells, strict=True))
    assert found["data"] == "digits"
    assert found["epochs"] == "1"
    assert found["test"] == f"{100 * results['test_accuracy']:.2f} %"
    assert found["parameters"] == "5,514"


def test_runs_that_differ_in_the_seed_alone_get_mean_and_deviation(trained: Path, tmp_path: Path) -> None:
    first = changed_copy(trained / "run", tmp_path / "0", seed=0, test_accuracy=0.90)
    second = changed_copy(trained / "run", tmp_path / "1", seed=1, test_accuracy=0.92)
    assert "mean 91.00 %, standard deviation 1.41 over 2 runs" in run(main, first, second)
    longer = changed_copy(trained / "run", tmp_path / "2", seed=1, epochs=2)
    assert "mean" not in run(main, first, longer)
