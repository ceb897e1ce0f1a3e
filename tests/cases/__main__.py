"""The command: see `tests.cases`."""

import sys
from pathlib import Path

from tests.cases.inputs import INPUTS
from tests.cases.networks import networks

for name, build in INPUTS.items():
    print(build(Path(sys.argv[1]) / name))
print(networks(Path(sys.argv[1]) / "networks"))
