from pathlib import Path

import torch
from framework.data.loading import normalize

from tests.framework.small_training import make_small_training


def test_a_sample_is_of_trained_images_alone_normalised_and_spread_over_all(tmp_path: Path) -> None:
    images = make_small_training(tmp_path / "run").images  # 600 training images, of which 100 are held out
    every = images.sample()
    trained = torch.from_numpy(images.data.train_images[images.batches.indices])
    assert torch.equal(every, normalize(trained, images.statistics))
    assert torch.equal(images.sample(250), every[::2])
    assert torch.equal(images.sample(249), every[::3]) and len(every[::3]) == 167
    assert not set(images.held_out.tolist()) & set(images.batches.indices.tolist())


def test_a_dry_run_alone_has_its_figures_cautioned(tmp_path: Path) -> None:
    assert make_small_training(tmp_path / "whole").images.cautions == []
    (said,) = make_small_training(tmp_path / "dry", limit_batches=3).images.cautions
    assert said == "A dry run: every epoch and every test was cut off after 3 batches."
