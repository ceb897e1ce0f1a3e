"""What a run writes down of itself when it starts, when it is resumed, and when it ends."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import nn

from framework.checkpoint.file_format import load_weights
from framework.checkpoint.loaded_model import LoadedModel
from framework.checkpoint.metadata import ModelMetadata
from framework.checkpoint.networks import Networks, create_network, place
from framework.checkpoint.training_state import TrainingState
from framework.config import Config, saved_config
from framework.config.config import changed
from framework.data.data_module import DataModule
from framework.data.image_data import ImageData
from framework.data.rendering import ImageRenderer, choose_augment_on
from framework.engine.class_metrics import class_metrics
from framework.engine.precision import choose_precision
from framework.engine.training import Extensions
from framework.errors import RunDirectoryError
from framework.experiment.evaluation import evaluate_model
from framework.experiment.tensorboard import record_settings, record_test
from framework.export.formats import write_weights
from framework.inspection import parameter_count
from framework.inspection.budget import int8_json
from framework.inspection.constraints import check_accuracy
from framework.inspection.cost import graph_multiply_adds
from framework.inspection.finding import Finding
from framework.inspection.network import follow_network
from framework.inspection.receptive_field import field_of
from framework.inspection.table import constraint_table, constraint_table_json, layer_table
from framework.report.augmentation import save_augmented_samples, transforms_code
from framework.report.curves import save_curves
from framework.report.summary import torchsummary_table
from framework.run.directory import RunDirectory, write_json, write_text
from framework.run.environment import describe_environment
from framework.run.logs import EpochLog
from framework.run.printable import printable


def describe(config: Config, data: DataModule, network: nn.Module, device: torch.device) -> ModelMetadata:
    """What the run's checkpoints say of their network, with the precision and augmentation best on the device."""
    precision = config.machine.precision
    if config.training.int8 and precision == "auto":
        precision = "float32"
    return ModelMetadata(
        arch=config.network.arch,
        arch_options=dict(config.network.arch_options),
        in_channels=data.data.channels,
        image_size=data.input_shape[1],
        class_names=list(data.data.class_names),
        mean=list(data.statistics.mean),
        std=list(data.statistics.std),
        data=data.data.name,
        data_hash=data.data.fingerprint(),
        precision=choose_precision(precision, network, data.input_shape, device),
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
    tables = (layer_table(follow_network(network, data.input_shape)), constraint_table(findings))
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
    record_settings(run, config, data.data)


def resumed_lines(run: RunDirectory, config: Config, step: int) -> list[str]:
    """What the training log is to say of this resume and of those before: the settings that config.json does not have.

    They decide nothing of what is computed; config.json keeps those that the run began with.
    """
    log = run.training_log.read_text(encoding="utf-8", errors="replace") if run.training_log.is_file() else ""
    lines = [line for line in log.splitlines() if line.startswith("resumed at step ")]
    settings = changed(saved_config(run.config), config, resumable=True)
    said = ", ".join(f"{name}={now}" for name, (_, now) in settings.items())
    return [*lines, f"resumed at step {step} with {printable(said)}"] if settings else lines


def changed_code(run: RunDirectory, networks: Networks, config: Config, step: int) -> list[str]:
    """A line if the network's code has changed since the run began; the new one is then kept beside the old.

    Raises RunDirectoryError, naming the files, unless the configuration allows it.
    """
    now = dict(networks.source_files(config.network.arch))
    before = {path: file.read_text(encoding="utf-8") for path in now if (file := run.source / path).is_file()}
    other = sorted(path for path in now if before.get(path) != now[path])
    if not other:
        return []
    if not config.safety.allow_code_changes:
        raise RunDirectoryError(
            f"cannot resume {run.path}: the network's code has changed ({', '.join(other)}); take back the change, "
            "or go on with it by --allow-code-changes"
        )
    for path in other:
        kept = run.source / f"since-step-{step:09d}" / path
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_text(kept, now[path])
    return [f"the network's code was changed: {', '.join(other)}"]


def new_network(networks: Networks, metadata: ModelMetadata) -> nn.Module:
    """An untrained network as the metadata describe it; raises as `create_network` does."""
    classes, channels = len(metadata.class_names), metadata.in_channels
    return create_network(networks, metadata.arch, metadata.arch_options, num_classes=classes, in_channels=channels)


def reported_model(state: TrainingState, networks: Networks, device: torch.device, source: Path) -> LoadedModel:
    """A network with the weights that the training reports, from memory: what lies on a full disk may be older."""
    network = new_network(networks, state.metadata)
    weights = state.evaluated.state_dict() if state.best_weights is None else state.best_weights
    load_weights(network, weights, str(source))
    place(network, device)
    return LoadedModel(network.eval(), state.metadata, device, source)


def measure_test(
    run: RunDirectory, model: LoadedModel, data: ImageData, config: Config, epoch: int, extensions: Extensions | None
) -> dict[str, Any]:
    """The figures of a model on the test images by name, which TensorBoard gets too, at the model's epoch."""
    further = extensions.metrics() if extensions and extensions.metrics else {}
    measured = {**class_metrics(data.num_classes, model.device), **further}
    logits: list[torch.Tensor] = []
    limit = config.training.limit_batches
    test = evaluate_model(model, data, limit, metrics=measured, keep=lambda batch: logits.append(batch.cpu()))
    if "class_accuracy" not in further:
        test["class_accuracy"] = dict(zip(data.class_names, test["class_accuracy"], strict=True))
    record_test(run, test, logits, data, epoch)
    return test


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
    model = reported_model(state, networks, device, run.path)
    best = state.best
    reported_epoch = int(best["epoch"]) if best else len(state.history)
    test = measure_test(run, model, data.data, config, reported_epoch, extensions)
    network = follow_network(model.network, data.input_shape)
    results: dict[str, Any] = {
        "data": data.data.name,
        "arch": config.network.arch,
        "seed": config.training.seed,
        "epochs": len(state.history),
        "planned_epochs": config.training.epochs,
        "skipped_steps": state.guard.skipped,
        "stopped_early": state.stopped_early,
        "reported_epoch": reported_epoch,
        "validation_accuracy": best["val_accuracy"] if best else None,
        **{f"test_{name}": value for name, value in test.items()},
        "parameters": parameter_count(model.network),
        "multiply_adds": graph_multiply_adds(network.graph),
        **int8_json(network.graph),
        "receptive_field": list(field_of(network).network.size),
        "training_seconds": sum(metrics["seconds"] for metrics in state.history),
        "exact": not state.inexact,
        "inexact": state.inexact,
        "precision": state.metadata.precision,
        "augment_on": state.metadata.augment_on,
    }
    declared = check_accuracy(test["accuracy"], config.constraints)
    results["min_accuracy"] = config.constraints.min_accuracy
    results["min_accuracy_holds"] = all(finding.holds for finding in declared) if declared else None
    write_weights(run.weights, model.network, model.metadata)
    save_curves(run.curves, state.history, f"{config.network.arch} on {data.data.name}")
    validation = f"{100 * best['val_accuracy']:.2f} % (epoch {best['epoch']})" if best else "none: no images held out"
    for line in (
        f"run {run.path}",
        f"data {data.data.name}",
        *data.warnings,
        f"validation accuracy {validation}",
        f"test accuracy {100 * test['accuracy']:.2f} %",
        *(f"declared but not reached: a test accuracy of {f.limit}" for f in declared if not f.holds),
        *([f"test top-5 accuracy {100 * test['top_5']:.2f} %"] if "top_5" in test else []),
        f"test macro F1 {test['macro_f1']:.4f}",
        f"parameters {results['parameters']:,}",
        f"receptive field {'x'.join(map(str, dict.fromkeys(results['receptive_field'])))}",
        f"training time {results['training_seconds']:.0f} s",
    ):
        log.write(line)
    write_json(run.results, results)  # the last: what has results is finished
