"""The command: see `tests.faults`."""

import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.patches import Fault, Result, applies, copy_tree, faults, run_tests

AT_ONCE = 2
"""Faults tried at a time, each on one core."""


def tried(fault: Fault, folder: Path) -> Result:
    """What its tests say of a copy of the tree with a fault."""
    tree = folder / fault.name
    copy_tree(tree)
    assert applies(fault, tree)
    result = run_tests(fault.tests, tree)
    shutil.rmtree(tree)
    return result


def main(names: list[str]) -> int:
    """Tries the faults of these numbers or names, or all; 1 if one is not caught, or cannot be tried."""
    every = faults()
    known = {name: fault for fault in every for name in (fault.name, fault.name.partition("-")[0])}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no fault is named {', '.join(unknown)}; valid: {', '.join(fault.name for fault in every)}")
    chosen = list({known[name].name: known[name] for name in names}.values()) or every
    with tempfile.TemporaryDirectory(prefix="emberfield-faults-") as folder:
        plain = Path(folder) / "plain"
        copy_tree(plain)
        stale = [fault.path.name for fault in chosen if not applies(fault, plain, check=True)]
        if stale:
            raise SystemExit(f"the code that they change has changed: {', '.join(stale)} do not apply")
        result = run_tests(list(dict.fromkeys(test for fault in chosen for test in fault.tests)), plain)
        if not result.passed:
            raise SystemExit(f"a test fails without any fault:\n{result.output}")
        escaped = 0
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for fault, result in zip(chosen, pool.map(lambda each: tried(each, Path(folder)), chosen), strict=True):
                escaped += result.passed
                how = "NOT CAUGHT" if result.passed else f"caught in {result.seconds:.0f} s by {result.failed}"
                print(f"{fault.name}: {fault.what}: {how}", flush=True)
    print(f"{len(chosen) - escaped} of {len(chosen)} caught")
    return 1 if escaped else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
