"""The settings of a training, one by one: what they change, that they resume to the bit, what they refuse."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from framework.errors import EmberfieldError
from tests.framework.engine.test_training import assert_equal_states, interrupted
from tests.framework.small_training import make_small_training, small_network

CROP = ({"name": "RandomCrop", "height": 28, "width": 28, "pad": 3},)
POLICY = ({"name": "TrivialAugmentWide"},)
KIT = (
    {"schedule": "plateau", "lr_epochs": 1, "plateau_metric": "accuracy", "optimizer": "adam", "lr": 1e-5},
    {"schedule": "step", "lr_epochs": 2, "accumulate": 2, "batch_size": 25, "checkpoint_every": "3"},
    {"schedule": "constant", "mixup": 0.5, "cutmix": 0.5, "transforms": CROP},
    {"schedule": "cosine", "l1": 1e-4, "transforms": POLICY, "class_weights": "balanced", "lr_end_share": 0.5},
)


@pytest.mark.parametrize("settings", KIT, ids=lambda settings: settings["schedule"])
def test_resume_ends_with_the_same_bits(tmp_path: Path, settings: dict[str, object]) -> None:
    whole = make_small_training(tmp_path / "whole", **settings)
    whole.run()
    if settings["schedule"] == "plateau":  # what a resume has to find
        (found, _) = whole.state.schedule.state_dict()["lr_lambdas"]
        assert found["share"] < 1
    parts = interrupted(tmp_path / "parts", 2, **settings)
    assert_equal_states(whole.state.state_dict(), parts.state.state_dict())


def test_a_step_that_ends_between_its_batches_is_taken_again(tmp_path: Path) -> None:
    class Dies(nn.Module):
        def __init__(self, at: int) -> None:
            super().__init__()
            self.network, self.at, self.calls = small_network(), at, 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += self.training
            if self.calls == self.at:
                raise ConnectionAbortedError
            logits: Tensor = self.network(x)
            return logits

    settings = {"accumulate": 2, "batch_size": 25, "epochs": 2, "checkpoint_every": "4"}
    whole = make_small_training(tmp_path / "whole", network=lambda: Dies(-1), **settings)
    whole.run()
    parts = make_small_training(tmp_path / "parts", network=lambda: Dies(2 * 13), **settings)
    with pytest.raises(ConnectionAbortedError):
        parts.run()
    assert parts.state.step == 13
    torch.manual_seed(12345)
    again = make_small_training(tmp_path / "parts", network=lambda: Dies(-1), **settings)
    again.resume()
    again.run()
    assert_equal_states(whole.state.state_dict(), again.state.state_dict())


def test_weighted_classes_weigh_in_the_loss(tmp_path: Path) -> None:
    losses = []
    for weights in (None, [1.0] * 10, [0.0] * 9 + [1.0]):
        given = None if weights is None else tuple(weights)
        training = make_small_training(tmp_path / str(len(losses)), epochs=1, class_weights=given)
        training.run()
        losses.append(training.logged[0]["loss"])
    assert losses[0] == losses[1] != losses[2]


def test_l1_is_in_the_loss_that_is_logged_and_shrinks_the_weights(tmp_path: Path) -> None:
    plain, penal = (make_small_training(tmp_path / str(weight), epochs=3, l1=weight) for weight in (0.0, 0.01))
    for training in (plain, penal):
        training.run()
    sizes = [sum(float(p.detach().abs().sum()) for p in t.state.model.parameters()) for t in (plain, penal)]
    assert sizes[1] < 0.8 * sizes[0]
    assert penal.logged[0]["loss"] > plain.logged[0]["loss"] + 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "plateau", "val_size": 0}, "'plateau' watches validation images, and there are none"),
        ({"schedule": "linear"}, "unknown schedule 'linear'"),
        ({"lr_factor": 2.0}, "lr_factor is 2.0; the largest valid value is 1.0"),
        ({"accumulate": 20}, "accumulate is 20, of batches of 50: 1,000 images are more than an epoch, which has 500"),
        ({"mixup": 1.5}, "mixup is 1.5; the largest valid value is 1.0"),
        ({"mixup_alpha": 0.0}, "mixup_alpha is 0.0; the smallest valid value is 0.001"),
        ({"transforms": POLICY, "augment_on": "device"}, "where .* cannot run as declared; what can: .*, RandomCrop"),
        ({"accumulate": 0}, "accumulate is 0; the smallest valid value is 1"),
        ({"class_weights": (1.0, 2.0)}, "class_weights has 2 numbers; the data has 10 classes"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(EmberfieldError, match=message):
        make_small_training(tmp_path / "run", **settings)
