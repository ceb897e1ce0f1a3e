"""What a run writes down of itself when it starts and when it ends."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import nn

from framework.checkpoint.loaded_model import LoadedModel
from framework.checkpoint.metadata import ModelMetadata
from framework.checkpoint.networks import Networks, create_network, place
from framework.checkpoint.training_state import TrainingState
from framework.config import Config
from framework.data.data_module import DataModule
from framework.data.rendering import ImageRenderer, choose_augment_on
from framework.engine.class_metrics import class_metrics
from framework.engine.precision import choose_precision
from framework.engine.training import Extensions
from framework.experiment.evaluation import evaluate_model
from framework.export import write_weights
from framework.inspection import (
    Finding,
    constraint_table,
    constraint_table_json,
    layer_table,
    multiply_adds,
    parameter_count,
    receptive_field,
)
from framework.report.curves import save_curves
from framework.report.samples import save_augmented_samples
from framework.report.summary import torchsummary_table
from framework.report.transforms import transforms_code
from framework.run.directory import RunDirectory, write_json, write_text
from framework.run.environment import describe_environment
from framework.run.logs import EpochLog


def describe(config: Config, data: DataModule, network: nn.Module, device: torch.device) -> ModelMetadata:
    """What the run's checkpoints say of their network, with the precision and augmentation best on the device."""
    return ModelMetadata(
        arch=config.network.arch,
        arch_options=dict(config.network.arch_options),
        in_channels=data.data.channels,
        image_size=config.data.image_size,
        class_names=list(data.data.class_names),
        mean=list(data.statistics.mean),
        std=list(data.statistics.std),
        data=data.data.name,
        data_hash=data.data.fingerprint(),
        precision=choose_precision(config.machine.precision, network, data.input_shape, device),
        augment_on=choose_augment_on(config.machine.augment_on, data.training, device),
        fit=config.data.fit,
        background=config.data.background,
    )


def record_start(
    run: RunDirectory,
    config: Config,
    data: DataModule,
    network: nn.Module,
    findings: tuple[Finding, ...],
    metadata: ModelMetadata,
    device: torch.device,
    networks: Networks,
) -> None:
    """Writes the configuration, the environment, the network's code and tables, and a sheet of augmented samples."""
    write_text(run.config, config.to_json())
    source = networks.source_files(config.network.arch)
    environment = {
        "device": str(device),
        "training_images": len(data.sampler.indices),
        "held_out_images": len(data.held_out),
        "test_images": len(data.data.test_labels),
        "metadata": dataclasses.asdict(metadata),
        "source": list(source),
        "transforms": list(data.augmentation.effective),
        "constraints": constraint_table_json(findings),
        "no_constraints": config.constraints.no_constraints,
        **describe_environment(),
    }
    write_json(run.environment, environment)
    for path, text in source.items():
        (run.source / path).parent.mkdir(parents=True, exist_ok=True)
        write_text(run.source / path, text)
    write_text(
        run.transforms, transforms_code(data.augmentation.calls, config.augmentation.cutmix, config.augmentation.mixup)
    )
    write_text(run.torchsummary, torchsummary_table(network, data.input_shape))
    tables = (layer_table(network, data.input_shape), constraint_table(findings))
    write_text(run.network, "\n\n".join(tables) + "\n")
    trained = data.sampler.indices
    spread = trained[:: max(len(trained) // 8, 1)][:8]
    render = ImageRenderer(data.training)
    save_augmented_samples(
        run.augmented_samples,
        data.data.train_images[spread],
        [render(torch.from_numpy(spread), epoch)[0].numpy() for epoch in range(8)],
        title=f"{data.data.name}: as it is, then as in epochs 1 to 8",
    )


def reported_model(
    state: TrainingState, config: Config, networks: Networks, device: torch.device, source: Path
) -> LoadedModel:
    """A network with the weights that the training reports, from memory: what lies on a full disk may be older."""
    metadata = state.metadata
    network = create_network(
        networks,
        config.network.arch,
        metadata.arch_options,
        num_classes=len(metadata.class_names),
        in_channels=metadata.in_channels,
    )
    network.load_state_dict(state.evaluated.state_dict() if state.best_weights is None else state.best_weights)
    place(network, device)
    return LoadedModel(network.eval(), metadata, device, source)


def record_results(
    run: RunDirectory,
    config: Config,
    data: DataModule,
    state: TrainingState,
    log: EpochLog,
    networks: Networks,
    device: torch.device,
    extensions: Extensions | None = None,
) -> None:
    """Tests the weights of the best epoch, and writes and logs the run's figures."""
    model = reported_model(state, config, networks, device, run.path)
    further = extensions.metrics() if extensions and extensions.metrics else {}
    measured = {**class_metrics(data.data.num_classes, device), **further}
    test = evaluate_model(model, data.data, config.training.limit_batches, metrics=measured)
    if "class_accuracy" not in further:
        test["class_accuracy"] = dict(zip(data.data.class_names, test["class_accuracy"], strict=True))
    best = state.best
    results: dict[str, Any] = {
        "data": data.data.name,
        "arch": config.network.arch,
        "seed": config.training.seed,
        "epochs": len(state.history),
        "planned_epochs": config.training.epochs,
        "skipped_steps": state.guard.skipped,
        "stopped_early": state.stopped_early,
        "reported_epoch": best["epoch"] if best else len(state.history),
        "validation_accuracy": best["val_accuracy"] if best else None,
        **{f"test_{name}": value for name, value in test.items()},
        "parameters": parameter_count(model.network),
        "multiply_adds": multiply_adds(model.network, data.input_shape),
        "receptive_field": list(receptive_field(model.network, data.input_shape).network.size),
        "training_seconds": sum(metrics["seconds"] for metrics in state.history),
        "exact": not state.inexact,
        "inexact": state.inexact,
        "precision": state.metadata.precision,
        "augment_on": state.metadata.augment_on,
    }
    write_weights(run.weights, model.network, model.metadata)
    save_curves(run.curves, state.history, f"{config.network.arch} on {data.data.name}")
    validation = f"{100 * best['val_accuracy']:.2f} % (epoch {best['epoch']})" if best else "none: no images held out"
    for line in (
        f"run {run.path}",
        f"data {data.data.name}",
        *data.warnings,
        f"validation accuracy {validation}",
        f"test accuracy {100 * test['accuracy']:.2f} %",
        *([f"test top-5 accuracy {100 * test['top_5']:.2f} %"] if "top_5" in test else []),
        f"test macro F1 {test['macro_f1']:.4f}",
        f"parameters {results['parameters']:,}",
        f"receptive field {'x'.join(map(str, dict.fromkeys(results['receptive_field'])))}",
        f"training time {results['training_seconds']:.0f} s",
    ):
        log.write(line)
    write_json(run.results, results)  # the last: what has results is finished
