"""What a device has for a network, flash and memory, as constraints."""

from framework.config import ConstraintsConfig
from framework.config.declaration import parse_size
from framework.inspection.finding import Finding
from framework.inspection.flash import FORMAT_OF, Flash, flash
from framework.inspection.graph import Graph
from framework.inspection.lowering import lower
from framework.inspection.memory import Memory, memory

ARENA_OF = (None, "litert", "tflm")
"""The targets whose memory is known: under XNNPACK, ExecuTorch and ONNX Runtime pack buffers of their own."""


def budget_findings(graph: Graph, constraints: ConstraintsConfig) -> tuple[Finding, ...]:
    """The findings on flash and memory; one whose figure is not known does not hold, and says why."""
    if constraints.max_flash is None and constraints.max_ram is None:
        return ()
    format_name, found = FORMAT_OF[constraints.target], list[Finding]()
    program = lower(graph, divided=format_name != "onnx")
    unknown = program.unknown and f"{program.unknown.layer or 'the model itself'}: {program.unknown.target}"
    if constraints.max_flash is not None:
        most = parse_size(constraints.max_flash)
        if unknown:
            found.append(Finding("int8 file", None, f"at most {most:,} bytes", False, unknown))
        else:
            file = flash(program, format_name)
            limit = f"at most {most:,} bytes"
            found.append(Finding("int8 file", file.size, limit, file.size <= most, file.layer, most - file.size))
    if constraints.max_ram is not None:
        most = parse_size(constraints.max_ram)
        limit = f"at most {most:,} bytes"
        if unknown or constraints.target not in ARENA_OF:
            where = unknown or f"{constraints.target} plans its memory as it runs"
            found.append(Finding("int8 memory", None, limit, False, where))
        else:
            used = memory(program)
            where = f"{used.layer} ({used.operator}); {used.persistent:,} persistent bytes come on top"
            found.append(Finding("int8 memory", used.arena, limit, used.arena <= most, where, most - used.arena))
    return tuple(found)


def int8_budget(graph: Graph) -> tuple[Flash, Memory] | None:
    """The .tflite file in int8 and the memory for an image; None where an operation has no rule."""
    program = lower(graph)
    return None if program.unknown else (flash(program), memory(program))


def int8_words(graph: Graph) -> list[tuple[str, str]]:
    """The same in words, as rows of a name and a figure; no rows where they are not known."""
    if (budget := int8_budget(graph)) is None:
        return []
    file, used = budget
    return [
        ("int8 file as .tflite, estimated", f"{file.size:,} bytes"),
        ("int8 memory by tflite-micro's plan", f"{used.arena:,} bytes, and {used.persistent:,} persistent"),
    ]


def int8_json(graph: Graph) -> dict[str, int | None]:
    """The same as plain data: int8_file_bytes, int8_memory_bytes and int8_persistent_bytes, None if not known."""
    budget = int8_budget(graph)
    figures = (budget[0].size, budget[1].arena, budget[1].persistent) if budget else (None, None, None)
    return dict(zip(("int8_file_bytes", "int8_memory_bytes", "int8_persistent_bytes"), figures, strict=True))
