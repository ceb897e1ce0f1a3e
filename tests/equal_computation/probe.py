"""Runs cases in one tree and writes down what it computed. Started by its path, by `tests.equal_computation`.

The tree is the current directory. Its packages are those that `framework` and `recipes` import here; this file's own
folder holds the cases and the adapter, so that the tree needs to have none of them.
"""

import argparse
import hashlib
import importlib
import json
import math
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cases  # type: ignore[import-not-found]  # beside this file
import numpy as np
import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn
from torch.optim import Optimizer


def digest(tensor: Tensor) -> str:
    """The SHA-256 of a tensor's bytes in its logical order, whatever its memory format is."""
    content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.sha256(content.numpy().tobytes()).hexdigest()


def tensors_of(module: nn.Module) -> list[str]:
    """Parameters, then buffers, in the module's order; their names are left out, since a move may change them."""
    return [digest(tensor) for tensor in (*module.parameters(), *module.buffers())]


def optimizer_state(model: nn.Module, optimizer: Optimizer) -> list[dict[str, Any]]:
    """For each parameter in the model's order: the digests of its state, its learning rate and its weight decay."""
    groups = {parameter: group for group in optimizer.param_groups for parameter in group["params"]}
    return [
        {
            "state": sorted(digest(torch.as_tensor(value)) for value in optimizer.state.get(parameter, {}).values()),
            "lr": float(groups[parameter]["lr"]).hex(),
            "weight_decay": float(groups[parameter]["weight_decay"]).hex(),
        }
        for parameter in model.parameters()
        if parameter in groups
    ]


class Observer:
    """Writes down every step of a trainer, and the state before the first and after the last."""

    def __init__(self, adapter: Any) -> None:
        self.adapter = adapter
        self.steps: list[dict[str, str]] = []

    def __call__(self, *, trainer: Engine, model: nn.Module, ema: nn.Module | None, optimizer: Optimizer) -> None:
        """Attaches to a training that has not begun."""
        self.model, self.ema, self.optimizer = model, ema, optimizer
        self.initial = tensors_of(model)
        trainer.add_event_handler(Events.ITERATION_STARTED, self._begin)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self._end)

    def _begin(self, engine: Engine) -> None:
        images, targets = engine.state.batch  # type: ignore[misc]
        self.steps.append({"images": digest(images), "targets": digest(targets)})

    def _end(self, engine: Engine) -> None:
        self.steps[-1]["loss"] = self.adapter.step_loss(engine.state.output).hex()

    def findings(self) -> dict[str, Any]:
        """In the order of cause and effect, so that the first difference is the one to look at."""
        losses = {step["loss"] for step in self.steps}
        count = cases.EPOCHS * cases.EPOCH_LENGTH
        assert len(self.steps) == count, f"{len(self.steps)} steps were seen, not {count}"
        assert len(losses) > count // 2, f"only {len(losses)} of {count} losses differ from each other"
        assert all(math.isfinite(float.fromhex(loss)) for loss in losses), "a loss is not finite"
        return {
            "initial weights": self.initial,
            "step": self.steps,
            "weights": tensors_of(self.model),
            "ema": None if self.ema is None else tensors_of(self.ema),
            "optimizer": optimizer_state(self.model, self.optimizer),
        }


def run(adapter: Any, case: str, precision: str, data: Path) -> dict[str, Any]:
    """What this process computes in one case. Of several processes the first alone has a run to evaluate."""
    observer = Observer(adapter)
    first = os.environ.get("RANK", "0") == "0"
    with TemporaryDirectory() as folder:
        adapter.train(cases.settings_of(case, precision, data), Path(folder), observer)
        evaluations = [float(value).hex() for value in adapter.evaluations(Path(folder))] if first else []
    return observer.findings() | {"evaluation": evaluations}


def published_logits(adapter: Any, precision: str) -> dict[str, str]:
    """The digest of each published network's logits for eight fixed images of noise."""
    noise = np.random.Generator(np.random.Philox(key=0)).integers(0, 256, (8, 3, 32, 32))
    images = torch.from_numpy(noise).float() / 255
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        return {name: digest(adapter.pretrained(name).eval()(images)) for name in cases.PUBLISHED}


def main(arguments: Iterable[str]) -> None:
    """Writes the findings of some cases, each in some precisions, as JSON: one file a process, named by its rank."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapter", required=True, help="a module beside this file")
    parser.add_argument("--data", required=True, type=Path, help="what cases.write_images wrote")
    parser.add_argument("--case", action="append", required=True, choices=[*cases.CASES, "published"])
    parser.add_argument("--precision", action="append", required=True, choices=cases.PRECISIONS)
    parser.add_argument("--out", required=True, type=Path, help="a folder")
    options = parser.parse_args(list(arguments))
    torch.set_num_threads(1)
    import framework

    found_at = Path(framework.__file__ or "").resolve()
    assert found_at.is_relative_to(Path.cwd()), f"framework is that of {found_at}, not of {Path.cwd()}"
    adapter = importlib.import_module(options.adapter)
    rank = os.environ.get("RANK", "0")
    for case in options.case:
        for precision in options.precision:
            found: dict[str, Any]
            if case == "published":
                found = published_logits(adapter, precision)
            else:
                found = run(adapter, case, precision, options.data)
            (options.out / f"{case}-{precision}-{rank}.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
