"""The framework's depthwise convolutions beside PyTorch's own, on one core: python -m benchmarks.convolutions.

Each different one of a network is timed on made-up images of the shape that it sees there, both ways in turn.
"""

import statistics
import time
from contextlib import nullcontext
from pathlib import Path

import click
import torch
from torch import Tensor, nn

import architectures
from framework.run.allocator import keep_memory
from framework.ops.overrides import Replacements


def depthwise_layers(network: nn.Module, images: Tensor) -> dict[str, tuple[nn.Conv2d, torch.Size]]:
    """A network's different depthwise convolutions by what they are, each with the shape that it is given."""
    found: dict[str, tuple[nn.Conv2d, torch.Size]] = {}

    def see(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, nn.Conv2d)
        size, (_, channels, height, width) = layer.kernel_size[0], given[0].shape
        name = f"{size}x{size}, stride {layer.stride[0]}, dilation {layer.dilation[0]}; {channels} x {height} x {width}"
        found.setdefault(name, (layer, given[0].shape))

    layers = [
        layer for layer in network.modules() if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels
    ]
    hooks = [layer.register_forward_pre_hook(see) for layer in layers]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return found


def passes(layer: nn.Conv2d, given: Tensor, gradient: Tensor, replaced: bool) -> tuple[float, float]:
    """Milliseconds of a forward and a backward pass, by the framework or by PyTorch alone."""
    began = time.perf_counter()
    with Replacements() if replaced else nullcontext():
        output = layer(given)
    middle = time.perf_counter()
    torch.autograd.grad(output, (given, *layer.parameters()), gradient)
    return 1000 * (middle - began), 1000 * (time.perf_counter() - middle)


def row(name: str, layer: nn.Conv2d, shape: torch.Size, kind: torch.dtype, repeats: int) -> str:
    """A line of the table: medians of the `repeats` after the first three."""
    layer = layer.to(kind)
    given = torch.randn(shape).to(kind).contiguous(memory_format=torch.channels_last).requires_grad_()
    gradient = torch.randn_like(layer(given))
    times = [passes(layer, given, gradient, False) + passes(layer, given, gradient, True) for _ in range(repeats + 3)]
    plain, plain_back, ours, ours_back = (statistics.median(column) for column in zip(*times[3:], strict=True))
    ratio = (plain + plain_back) / (ours + ours_back)
    kind_name = str(kind).removeprefix("torch.")
    return f"| {name} | {kind_name} | {plain:.2f} | {ours:.2f} | {plain_back:.2f} | {ours_back:.2f} | {ratio:.1f} |"


@click.command()
@click.option("--arch", default="c1c2c3c40_gated_mirror_small", show_default=True, help="a registered network")
@click.option("--batch-size", default=128, show_default=True, help="images")
@click.option("--repeats", default=9, show_default=True, help="passes whose median is taken")
def main(arch: str, batch_size: int, repeats: int) -> None:
    """Prints a table, and writes it to results/convolutions.md."""
    keep_memory()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers = depthwise_layers(architectures.create(arch), torch.rand(batch_size, 3, 32, 32))
    lines = [
        "| depthwise convolution | numbers | PyTorch, ms | ours | its gradients, ms | ours | times as fast |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, (layer, shape) in layers.items():
        for kind in (torch.bfloat16, torch.float32):
            lines.append(row(name, layer, shape, kind, repeats))
            click.echo(lines[-1], err=True)
    table = "\n".join(lines)
    click.echo(table)
    title = f"# Depthwise convolutions of {arch}, one core, {batch_size} images, torch {torch.__version__}"
    results = Path(__file__).parent / "results" / "convolutions.md"
    results.write_text(f"{title}\n\n{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
