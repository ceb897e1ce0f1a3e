"""Training as a whole: that it learns, survives, stops and refuses as promised."""

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn

from framework.checkpoint.comparison import first_difference
from framework.checkpoint.file_format import load_checkpoint
from framework.checkpoint.manager import checkpoint_paths, write_checkpoint
from framework.checkpoint.training_state import reported_weights
from framework.checkpoint.writer import snapshot
from framework.config import Config, MachineConfig, OptimizationConfig
from framework.data.statistics import Statistics, normalize
from framework.distributed import SINGLE_PROCESS
from framework.engine.evaluator import make_evaluator
from framework.engine.training import Extensions, TrainingEvents, training_step
from framework.errors import CheckpointError, EmberfieldError, NonFiniteError
from framework.losses.distillation import Teacher
from framework.optim.optimizers import make_optimizer
from framework.run.directory import RunDirectory
from framework.run.history import EpochMetrics, best_epoch
from tests.framework.small_training import CPU, SmallTraining, make_small_training, small_network


def assert_equal_states(first: dict[str, object], second: dict[str, object]) -> None:
    difference = first_difference(first, second)
    assert difference is None, difference


def newest(training: SmallTraining) -> dict[str, Any]:
    return load_checkpoint(checkpoint_paths(RunDirectory(training.folder))[0])


def without_clock(records: list[EpochMetrics]) -> list[EpochMetrics]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in records]


def test_learns_grey_digits_with_another_norm(tmp_path: Path) -> None:
    training = make_small_training(tmp_path / "run", epochs=8, lr=0.2)
    training.run()
    last = training.logged[-1]
    assert last["val_accuracy"] > 0.8
    assert last["loss"] < training.logged[0]["loss"]
    assert [record["epoch"] for record in training.logged] == list(range(1, 9))


def test_learns_from_mixed_images_which_are_harder(tmp_path: Path) -> None:
    plain, mixed = (make_small_training(tmp_path / str(p), epochs=8, lr=0.2, cutmix=p) for p in (0.0, 0.5))
    for training in (plain, mixed):
        training.run()
    assert mixed.logged[-1]["val_accuracy"] > 0.8
    assert mixed.logged[-1]["loss"] > plain.logged[-1]["loss"] + 0.1


def test_training_twice_gives_equal_bits(tmp_path: Path) -> None:
    states = []
    for name in ("a", "b"):
        training = make_small_training(tmp_path / name, epochs=2)
        training.run()
        states.append(training.state.state_dict())
    assert_equal_states(*states)


def interrupted(folder: Path, at_epoch: int, **settings: object) -> SmallTraining:
    """A training that dies in the middle of an epoch, and one in a new process's place that goes on with it."""
    first = make_small_training(folder, **settings)

    def die() -> None:
        raise ConnectionAbortedError

    first.state.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=at_epoch * 10 + 4), die)
    with pytest.raises(ConnectionAbortedError):
        first.run()
    torch.manual_seed(12345)
    second = make_small_training(folder, **settings)
    second.resume()
    second.run()
    return second


@pytest.mark.parametrize(
    "settings",
    [{}, {"cutmix": 0.5}, {"optimizer": "muon"}, {"optimizer": "adamw", "lr": 0.01}, {"checkpoint_every": "3"}],
)
@pytest.mark.parametrize("at_epoch", [0, 1, 3])
def test_resume_ends_with_the_same_bits(tmp_path: Path, at_epoch: int, settings: dict[str, object]) -> None:
    whole = make_small_training(tmp_path / "whole", **settings)
    whole.run()
    parts = interrupted(tmp_path / "parts", at_epoch, **settings)
    assert_equal_states(whole.state.state_dict(), parts.state.state_dict())
    assert without_clock(whole.state.history) == without_clock(parts.state.history)
    for name in ("checkpoints/step-000000040.pt", "best.pt"):
        assert_equal_states(*(load_checkpoint(tmp_path / part / name) for part in ("whole", "parts")))


def test_another_seed_is_found_out(tmp_path: Path) -> None:
    """The negative control of the two tests above."""
    states = []
    for seed in (0, 1):
        training = make_small_training(tmp_path / str(seed), epochs=1, seed=seed)
        training.run()
        states.append(training.state.state_dict())
    with pytest.raises(AssertionError, match="differs"):
        assert_equal_states(*states)


def test_dropout_is_keyed_on_the_step(tmp_path: Path) -> None:
    """A training whose generator is spoilt before every step still gives the same bits."""
    histories = []
    for name in ("a", "b"):
        training = make_small_training(tmp_path / name, epochs=1)
        if name == "b":
            training.state.trainer.add_event_handler(Events.ITERATION_STARTED, lambda: torch.manual_seed(99))
        training.run()
        histories.append(without_clock(training.state.history))
    assert histories[0] == histories[1]


class Draws(nn.Module):
    """A network that keeps what it draws in training."""

    def __init__(self) -> None:
        super().__init__()
        self.body = small_network()
        self.drawn: list[float] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.drawn += [torch.rand(1).item(), random.random(), np.random.random()]  # noqa: NPY002
        return self.body(x)


def test_each_step_draws_something_else(tmp_path: Path) -> None:
    training = make_small_training(tmp_path / "run", network=Draws, epochs=2, ema_decay=None)
    training.run()
    drawn = training.state.model.drawn
    assert len(drawn) == len(set(drawn)) == 3 * 20


def test_early_stopping_counts_only_in_the_last_third_and_survives_a_resume(tmp_path: Path) -> None:
    settings: dict = {"epochs": 9, "lr": 1e-9, "patience": 1, "ema_decay": None}
    whole = make_small_training(tmp_path / "whole", **settings)
    whole.run()
    # at this learning rate nothing improves: the first epoch that counts is 7, the one that stops is 8
    assert len(whole.state.history) == 8
    assert whole.state.stopped_early
    parts = interrupted(tmp_path / "parts", 7, **settings)
    assert_equal_states(whole.state.state_dict(), parts.state.state_dict())
    early = make_small_training(tmp_path / "early", **(settings | {"patience_from": 0.0}))
    early.run()
    assert len(early.state.history) == 2
    again = make_small_training(tmp_path / "early", **(settings | {"patience_from": 0.0}))
    again.resume()
    again.run()
    assert again.state.step == early.state.step and again.logged == []


def test_without_held_out_images_nothing_is_validated_and_nothing_is_best(tmp_path: Path) -> None:
    training = make_small_training(tmp_path / "run", epochs=1, val_size=0)
    training.run()
    assert "val_accuracy" not in training.logged[0]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["checkpoints"]


def test_best_is_the_epoch_of_the_highest_accuracy(tmp_path: Path) -> None:
    training = make_small_training(tmp_path / "run", epochs=4)
    training.run()
    epochs = [(metrics["val_accuracy"], -metrics["val_loss"]) for metrics in training.state.history]
    best = load_checkpoint(tmp_path / "run" / "best.pt")
    assert len(best["history"]) == epochs.index(max(epochs)) + 1


def test_the_best_weights_stay_when_later_epochs_are_worse(tmp_path: Path) -> None:
    training = make_small_training(tmp_path / "run", epochs=3, ema_decay=None)

    def spoil() -> None:
        for parameter in training.state.model.parameters():
            parameter.data.zero_()

    training.state.trainer.add_event_handler(Events.EPOCH_STARTED(once=3), spoil)
    training.run()
    best = load_checkpoint(tmp_path / "run" / "best.pt")
    assert len(best["history"]) < 3 and all(weights.any() for weights in best["model"].values())
    assert_equal_states(best["model"], newest(training)["best_weights"])


def test_what_an_epoch_has_added_up_survives_a_resume(tmp_path: Path) -> None:
    first, second = (make_small_training(tmp_path / "run", epochs=1) for _ in range(2))
    first.run()
    first.state.sums.values.copy_(torch.tensor([1.0, 2.0, 3.0]))
    first.state.sums.seconds = 123.0
    second.state.load_state_dict(snapshot(first.state.state_dict()), "it", max_epochs=1)
    assert second.state.sums.values.tolist() == [1.0, 2.0, 3.0]
    assert second.state.sums.seconds == 123.0


def test_of_equal_accuracies_the_lower_loss_is_best_and_of_equal_losses_the_earlier() -> None:
    history = [
        {"epoch": epoch, "val_accuracy": accuracy, "val_loss": loss}
        for epoch, (accuracy, loss) in enumerate([(0.9, 0.1), (1.0, 0.4), (1.0, 0.2), (1.0, 0.2), (1.0, 0.3)], 1)
    ]
    best = best_epoch(history)
    assert best is not None and best["epoch"] == 3


class NoNumber(nn.Module):
    """A network that learns, but whose output is not a number in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.body = small_network()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) if self.training else self.body(x) * float("nan")


def test_a_validation_that_is_not_a_number_is_an_error_like_a_step(tmp_path: Path) -> None:
    training = make_small_training(tmp_path / "run", network=NoNumber, epochs=2)
    with pytest.raises(NonFiniteError, match="the validation after epoch 1: loss nan; the weights are not finite"):
        training.run()
    assert training.logged == [] and not (tmp_path / "run" / "best.pt").exists()


def test_an_average_that_is_longer_than_the_run_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_small_training(tmp_path / "fits", ema_decay=0.8)
    assert caplog.messages == []
    make_small_training(tmp_path / "long", ema_decay=0.999)
    assert caplog.messages[0].startswith("ema_decay 0.999 is too long for 40 steps: 96 % of the average will still be")
    assert caplog.messages[0].endswith("Try at most 0.926")


def test_another_number_of_threads_at_a_resume_is_kept_as_a_reason_not_to_be_exact(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    first = make_small_training(tmp_path / "run", epochs=1)
    first.run()
    assert first.state.inexact == []
    try:
        torch.set_num_threads(threads + 1)
        for _ in range(2):  # what was once inexact stays so
            again = make_small_training(tmp_path / "run", epochs=1)
            again.resume()
            assert again.state.inexact == [f"threads was {threads} and is now {threads + 1}"]
            again.run()
            write_checkpoint(RunDirectory(tmp_path / "run"), again.state.step, again.state.state_dict(), keep=3)
    finally:
        torch.set_num_threads(threads)


class DrawsElsewhere(nn.Module):
    """A network that draws from the generators of Python and NumPy, not of torch."""

    def __init__(self) -> None:
        super().__init__()
        self.body = small_network()

    def forward(self, x: Tensor) -> Tensor:
        factor = random.uniform(0.5, 1.5) * np.random.uniform(0.5, 1.5) if self.training else 1.0  # noqa: NPY002
        return self.body(x * factor)


def test_draws_from_python_and_numpy_are_keyed_on_the_step_too(tmp_path: Path) -> None:
    whole = make_small_training(tmp_path / "whole", network=DrawsElsewhere)
    whole.run()
    random.random()
    parts = interrupted(tmp_path / "parts", 1, network=DrawsElsewhere)
    assert_equal_states(whole.state.state_dict(), parts.state.state_dict())


def test_reported_weights_are_the_averaged_ones(tmp_path: Path) -> None:
    training = make_small_training(tmp_path / "run", epochs=1)
    training.run()
    saved = newest(training)
    averaged = training.state.ema.module.state_dict()
    for weights in (reported_weights(saved), reported_weights(load_checkpoint(tmp_path / "run" / "best.pt"))):
        assert all(torch.equal(weights[name], averaged[name]) for name in averaged)
        assert not torch.equal(weights["0.weight"], saved["model"]["0.weight"])


class Explodes(nn.Module):
    """A network whose output is not finite from its 14th training step on."""

    def __init__(self) -> None:
        super().__init__()
        self.body = small_network()
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += self.training
        factor = float("inf") if self.steps >= 14 else 1.0
        return self.body(x) * factor


def test_a_loss_that_is_not_finite_stops_before_the_weights_change(tmp_path: Path) -> None:
    training = make_small_training(tmp_path / "run", network=Explodes, ema_decay=None)
    snapshots: list[dict[str, Tensor]] = []
    training.state.trainer.add_event_handler(
        Events.ITERATION_STARTED,
        lambda: snapshots.append({k: v.clone() for k, v in training.state.model.state_dict().items()}),
    )
    samples = ", ".join(map(str, training.images.sampler.samples(13).tolist()))
    with pytest.raises(NonFiniteError, match=rf"step 14: loss nan.*learning rate 0\.0.* images {samples}\. Try"):
        training.run()
    now = training.state.model.state_dict()
    assert all(torch.equal(now[name], snapshots[-1][name]) for name in now)
    assert len(newest(training)["history"]) == 1


class ExplodesOnce(nn.Module):
    """Batch statistics in front of an output that is not finite at the 14th training step."""

    def __init__(self, at: int = 14) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(28 * 28, 10))
        self.steps, self.at = 0, at

    def forward(self, x: Tensor) -> Tensor:
        self.steps += self.training
        return self.body(x * (float("nan") if self.training and self.steps == self.at else 1.0))


SKIP = {"on_nonfinite": "skip", "lr": 0.01}


def test_a_step_that_is_not_finite_can_be_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    training = make_small_training(tmp_path / "run", network=ExplodesOnce, **SKIP)
    states: list[dict[str, Any]] = []
    trainer = training.state.trainer
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: states.append(snapshot(training.state.state_dict())))
    training.run()
    assert first_difference(states[12]["model"], states[13]["model"]) is None
    assert first_difference(states[12]["optimizer"]["state"], states[13]["optimizer"]["state"]) is None
    assert first_difference(states[13]["model"], states[14]["model"]) is not None
    assert all(tensor.isfinite().all() for tensor in states[-1]["ema"].values())
    assert states[13]["schedule"]["last_epoch"] == 14
    assert training.state.guard.skipped == states[-1]["skipped"] == 1
    samples = training.images.sampler.samples(13).tolist()
    (told,) = caplog.messages
    assert told.startswith("step 14: loss nan, gradient norm ")
    assert told.endswith(f"left out (1 of at most 10), on the training images {', '.join(map(str, samples))}")
    assert len(training.logged) == 4 and all(np.isfinite(record["loss"]) for record in training.logged)


def test_more_steps_than_allowed_stop_the_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Explodes(ExplodesOnce):
        def forward(self, x: Tensor) -> Tensor:
            self.at = max(self.at, self.steps + 1)
            return super().forward(x)

    training = make_small_training(tmp_path / "run", network=Explodes, **SKIP, nonfinite_limit=3)
    with pytest.raises(NonFiniteError, match=r"step 17: .*training stopped after 3 steps left out before this step"):
        training.run()
    assert len(caplog.messages) == 3


def test_the_very_first_step_can_be_left_out(tmp_path: Path) -> None:
    training = make_small_training(tmp_path / "run", network=lambda: ExplodesOnce(at=1), epochs=1, **SKIP)
    training.run()
    assert training.state.guard.skipped == 1


def test_steps_left_out_before_a_resume_count_towards_the_limit(tmp_path: Path) -> None:
    parts = interrupted(tmp_path / "parts", 1, network=lambda: ExplodesOnce(at=2), **SKIP)  # once in each process
    assert parts.state.guard.skipped == 2


def without_dropout() -> nn.Module:
    return nn.Sequential(*(layer for layer in small_network() if not isinstance(layer, nn.Dropout)))


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_trains_alike(tmp_path: Path) -> None:
    """Without dropout, for which a compiler draws other numbers; with few layers, each of which takes it seconds."""

    def network() -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 8, 7, 7), nn.SiLU(), nn.Flatten(), nn.Linear(128, 10))

    histories = []
    for compile in (False, True):
        training = make_small_training(tmp_path / str(compile), network=network, epochs=2, compile=compile)
        training.run()
        histories.append(training.state.history)
    for plain, compiled in zip(*histories, strict=True):
        assert compiled["loss"] == pytest.approx(plain["loss"], rel=1e-5)
        assert compiled["val_loss"] == pytest.approx(plain["val_loss"], rel=1e-5)


def test_teachers_are_compiled_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_small_training(tmp_path).images
    compiled: list[nn.Module] = []

    def fixed(network: nn.Module, *, dynamic: bool) -> nn.Module:
        assert not dynamic, "a part of a batch is no sign of sizes that vary"
        compiled.append(network)
        return network

    monkeypatch.setattr(torch, "compile", fixed)
    monkeypatch.setattr("framework.engine.training.require_compiler", lambda: None)
    student, *others = (small_network() for _ in range(3))
    for compile in (False, True):
        training_step(
            student,
            make_optimizer(student, OptimizationConfig()),
            Config(machine=MachineConfig(compile=compile)),
            data,
            device=CPU,
            precision="float32",
            teacher=Teacher(networks=others, statistics=[Statistics((0.5,), (0.25,))] * 2, alpha=0.9, temperature=2.0),
            loss_terms=(),
            processes=SINGLE_PROCESS,
        )
        assert compiled == ([student, *others] if compile else [])


def test_to_compile_needs_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(EmberfieldError, match=r"compile needs a C\+\+ compiler, and there is neither g\+\+ nor clang"):
        make_small_training(tmp_path / "run", compile=True)


def test_evaluation_equals_a_plain_loop(tmp_path: Path) -> None:
    training = make_small_training(tmp_path / "run")
    model, statistics = training.state.model, training.images.statistics
    evaluator = make_evaluator(model, statistics=statistics, device=CPU, precision="float32")
    evaluator.run(training.images.test_batches())
    model.eval()
    with torch.no_grad():
        logits = model(normalize(torch.from_numpy(training.images.data.test_images), statistics))
    target = torch.from_numpy(training.images.data.test_labels)
    assert evaluator.state.metrics["accuracy"] == pytest.approx((logits.argmax(1) == target).float().mean().item())
    assert evaluator.state.metrics["loss"] == pytest.approx(nn.functional.cross_entropy(logits, target).item(), 1e-5)


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path: Path) -> None:
    training = make_small_training(tmp_path / "run", epochs=1)
    training.run()

    def other() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))

    with pytest.raises(CheckpointError, match=r"step-000000010.pt is of another architecture: 0.bias"):
        make_small_training(tmp_path / "run", network=other, ema_decay=None).resume()


def test_training_accuracy_is_the_mean_over_the_epoch(tmp_path: Path) -> None:
    training = make_small_training(tmp_path / "run", epochs=1)
    outputs: list[tuple[float, float]] = []
    training.state.trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: outputs.append(tuple(float(x) for x in engine.state.output))
    )
    training.run()
    means = np.mean(outputs, axis=0)
    assert (training.logged[0]["loss"], training.logged[0]["accuracy"]) == pytest.approx(tuple(means), rel=1e-5)


def l1(network: nn.Module, logits: Tensor, targets: Tensor) -> Tensor:
    return 0.01 * sum((p.abs().sum() for p in network.parameters()), torch.zeros(()))


def test_a_loss_term_is_in_the_loss_that_is_logged_and_shrinks_the_weights(tmp_path: Path) -> None:
    plain = make_small_training(tmp_path / "plain", epochs=3)
    penal = make_small_training(tmp_path / "l1", epochs=3, extensions=Extensions(loss_terms=(l1,)))
    for training in (plain, penal):
        training.run()
    sizes = [float(l1(training.state.model, torch.empty(0), torch.empty(0)).detach()) for training in (plain, penal)]
    assert sizes[1] < 0.8 * sizes[0]
    assert penal.logged[0]["loss"] > plain.logged[0]["loss"] + 0.5


class Counter:
    """A handler with a state: it counts validations."""

    def __init__(self, state: Any) -> None:
        self.count = 0
        self.seen: list[EpochMetrics] = []
        self.history = state.history
        state.trainer.add_event_handler(TrainingEvents.VALIDATED, self.add)

    def add(self) -> None:
        self.count += 1
        self.seen.append(self.history[-1])

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state_dict(self, state: Any) -> None:
        self.count = state["count"]


def test_a_handler_sees_each_validation_and_its_state_survives_a_resume(tmp_path: Path) -> None:
    extensions = Extensions(handlers={"counter": Counter})
    training = interrupted(tmp_path / "run", 2, extensions=extensions)
    counter = training.state.handlers["counter"]
    assert isinstance(counter, Counter)
    assert counter.count == 4 and [metrics["epoch"] for metrics in counter.seen] == [3, 4]
    assert newest(training)["handlers"] == {"counter": {"count": 4}}


def test_further_metrics_are_validated_and_logged(tmp_path: Path) -> None:
    from ignite.metrics import TopKCategoricalAccuracy

    extensions = Extensions(metrics=lambda: {"top_5": TopKCategoricalAccuracy(5)})
    training = make_small_training(tmp_path / "run", epochs=1, extensions=extensions)
    training.run()
    assert training.logged[0]["val_top_5"] > training.logged[0]["val_accuracy"]


def test_training_without_overridden_operators_computes_nearly_the_same(tmp_path: Path) -> None:
    every = ("conv2d_bfloat16_gradient", "conv2d_speed", "layer_norm")
    runs = [make_small_training(tmp_path / str(len(plain)), epochs=1, plain_ops=plain) for plain in ((), every)]
    for training in runs:
        training.run()
    assert runs[0].logged[0]["loss"] == pytest.approx(runs[1].logged[0]["loss"], rel=1e-4)


def test_label_smoothing_is_in_the_loss_that_is_trained_on(tmp_path: Path) -> None:
    training = make_small_training(tmp_path / "run", network=without_dropout, epochs=1, label_smoothing=0.4, lr=0.2)
    expected, found = [], []

    def compute(engine: Engine) -> None:
        images, labels = engine.state.batch
        logits = training.state.model(normalize(images, training.images.statistics))
        expected.append(nn.functional.cross_entropy(logits, labels, label_smoothing=0.4).item())

    trainer = training.state.trainer
    trainer.add_event_handler(Events.ITERATION_STARTED, compute)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: found.append(float(engine.state.output[0])))
    training.run()
    assert found == pytest.approx(expected, rel=1e-5)
