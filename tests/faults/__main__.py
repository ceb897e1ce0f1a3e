"""The command: see `tests.faults`."""

import sys
import tempfile
from pathlib import Path

from tests.faults.patches import applies, copy_tree, faults, passes


def main(names: list[str]) -> int:
    """Tries the faults whose names begin so, or all; 1 if one is not caught."""
    chosen = [fault for fault in faults() if not names or fault.name.startswith(tuple(names))]
    escaped = []
    with tempfile.TemporaryDirectory(prefix="emberfield-faults-") as folder:
        plain = Path(folder) / "plain"
        copy_tree(plain)
        for test in dict.fromkeys(fault.test for fault in chosen):
            if not passes(test, plain):
                raise SystemExit(f"without any fault, {' '.join(test)} fails")
        for fault in chosen:
            tree = Path(folder) / fault.name
            copy_tree(tree)
            if not applies(fault, tree):
                raise SystemExit(f"{fault.path.name} does not apply: the code that it changes has changed")
            caught = not passes(fault.test, tree)
            print(f"{'caught' if caught else 'NOT CAUGHT'}  {fault.name}: {fault.what}", flush=True)
            escaped += [] if caught else [fault.name]
    print(f"{len(chosen) - len(escaped)} of {len(chosen)} caught")
    return 1 if escaped or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
