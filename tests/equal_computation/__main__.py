"""The command: see `tests.equal_computation`."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.equal_computation import __doc__ as description
from tests.equal_computation import trees
from tests.equal_computation.cases import CASES, CONTROL, PRECISIONS, write_images
from tests.equal_computation.comparison import first_difference, table

OLD = "edbacf6"
DIFFERENT = 10
"""The exit code of a difference, as the product's own."""

PURPOSES = ("order", "augment", "mix", "split")
"""The strings of the seeding module that key its draws; the control changes each of them by itself."""


def main(arguments: Sequence[str]) -> int:
    """Compares, or with --control shows that a difference would be found; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.equal_computation",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--commit", default=OLD, help=f"the older commit, of the API of {OLD} [default: %(default)s]")
    parser.add_argument("--case", action="append", choices=[*CASES, "published"], help="only this one; may be repeated")
    parser.add_argument("--precision", action="append", choices=PRECISIONS, help="only this one; may be repeated")
    parser.add_argument("--instructions", choices=trees.INSTRUCTIONS, default=trees.default_instructions())
    parser.add_argument("--reuse", action="store_true", help="take the older commit's findings from the last run")
    parser.add_argument("--control", action="store_true", help="change the seeding module in a copy of this tree")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that the worktree is removed
    with tempfile.TemporaryDirectory(prefix="emberfield-equal-") as folder:
        scratch = Path(folder).resolve()
        write_images(scratch / "images.npz")
        try:
            return control(options, scratch) if options.control else compare(options, scratch)
        except RuntimeError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1


def compare(options: argparse.Namespace, scratch: Path) -> int:
    """Compares the working tree with the older commit in every case and precision, and prints a table."""
    names, precisions = options.case or [*CASES, "published"], options.precision or list(PRECISIONS)
    began = time.perf_counter()
    old = old_findings(options, names, precisions, scratch)
    middle = time.perf_counter()
    new = new_findings(trees.ROOT, options, names, precisions, scratch)
    rows = {
        name: {precision: first_difference(old[name][precision], new[name][precision]) for precision in precisions}
        for name in names
    }
    print(table(rows, f"{options.commit} against the working tree"))
    print(
        f"{options.instructions} instructions, one thread; {options.commit} took {middle - began:.0f} s, "
        f"the working tree {time.perf_counter() - middle:.0f} s"
    )
    return DIFFERENT if any(difference for row in rows.values() for difference in row.values()) else 0


def control(options: argparse.Namespace, scratch: Path) -> int:
    """Compares copies of the working tree, in each of which one purpose string is changed; 0 if all differ.

    The unchanged tree has to be equal, or the differences would prove nothing.
    """
    precision = PRECISIONS[0]
    old = old_findings(options, [CONTROL], [precision], scratch)
    rows: dict[str, dict[str, str | None]] = {}
    for purpose in ("", *PURPOSES):
        tree = trees.ROOT
        if purpose:
            trees.changed_copy(purpose, tree := scratch / f"changed-{purpose}")
        new = new_findings(tree, options, [CONTROL], [precision], scratch)
        rows[repr(purpose) if purpose else "nothing"] = {precision: first_difference(old, new)}
    print(table(rows, "changed"))
    unchanged, *changed = (row[precision] for row in rows.values())
    return 0 if unchanged is None and None not in changed else DIFFERENT


def old_findings(
    options: argparse.Namespace, names: Sequence[str], precisions: Sequence[str], scratch: Path
) -> trees.Findings:
    """The older commit's findings, kept in the temporary folder of the system for --reuse."""
    commit = trees.resolve(options.commit)
    kept = Path(tempfile.gettempdir()) / "emberfield-equal-computation" / trees.cache_key(commit, options.instructions)
    files = {(name, one): kept / f"{name}-{one}.json" for name in names for one in precisions}
    if not options.reuse or not all(file.is_file() for file in files.values()):
        with trees.worktree(commit, scratch) as tree:
            found = trees.findings(
                tree, "old_adapter", names, precisions, instructions=options.instructions, scratch=scratch
            )
        kept.mkdir(parents=True, exist_ok=True)
        for (name, one), file in files.items():
            (scratch / file.name).write_text(json.dumps(found[name][one]), encoding="utf-8")
            shutil.move(scratch / file.name, file)
    found = {}
    for (name, one), file in files.items():
        found.setdefault(name, {})[one] = json.loads(file.read_text(encoding="utf-8"))
    return found


def new_findings(
    tree: Path, options: argparse.Namespace, names: Sequence[str], precisions: Sequence[str], scratch: Path
) -> trees.Findings:
    """The findings of the working tree, or of a copy of it."""
    return trees.findings(tree, "new_adapter", names, precisions, instructions=options.instructions, scratch=scratch)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
