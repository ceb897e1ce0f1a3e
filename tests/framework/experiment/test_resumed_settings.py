"""The settings that may change on a resume, in the log of the run."""

from pathlib import Path

import pytest

from framework.config import Config
from framework.errors import RunDirectoryError
from framework.experiment.settings import resolve_config
from framework.run.directory import RunDirectory
from tests.cases import inputs
from tests.framework.experiment.running import run

DRY = (
    *("--epochs", "1", "--batch-size", "16", "--limit-batches", "1", "--transforms", "[]", "--no-constraints"),
    *("--device", "cpu", "--precision", "float32", "--image-size", "16", "--arch", "c1c2c3c40_quick"),
    *("--arch-options", '{"widths": [4, 8, 8, 8]}'),
)


def test_the_log_says_which_settings_each_resume_has_changed(tmp_path: Path) -> None:
    folder, config = tmp_path / "run", tmp_path / "run" / "config.json"
    begun = run("--data", inputs.plain(tmp_path / "data"), *DRY, "--out", folder)
    assert begun.exit_code == 0, begun.output
    first = config.read_bytes()
    for options in (("--device", "auto", "--keep-checkpoints", "2"), (), ("--keep-checkpoints", "1")):
        (folder / "results.json").unlink()  # not finished, then
        resumed = run("--resume", "--out", folder, *options)
        assert resumed.exit_code == 0, resumed.output
    lines = [line for line in (folder / "training.log").read_text().splitlines() if line.startswith("resumed")]
    assert lines == [
        "resumed at step 1 with keep_checkpoints=2, device=auto",
        "resumed at step 1 with keep_checkpoints=1",
    ]
    assert lines[-1] in resumed.output
    assert config.read_bytes() == first


def test_an_image_size_that_is_left_to_the_images_is_that_of_the_run(tmp_path: Path) -> None:
    """A file of all settings says null where nothing was asked for, and a run keeps the size that the images had."""
    run, file = RunDirectory(tmp_path), tmp_path / "all.json"
    run.config.write_text(Config().updated({"image_size": 16}).to_json())
    file.write_text(Config().to_json())
    assert resolve_config(Config(), run, [file], {}).data.image_size == 16
    with pytest.raises(RunDirectoryError, match="image_size was 16 and is now 8"):
        resolve_config(Config(), run, [file], {"image_size": 8})
