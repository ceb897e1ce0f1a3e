"""The command: see `tests.cases`."""

import sys
from pathlib import Path

from tests.cases.inputs import INPUTS

for name, build in INPUTS.items():
    print(build(Path(sys.argv[1]) / name))
