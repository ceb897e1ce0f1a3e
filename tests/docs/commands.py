"""The commands of a block that is not run: found by bash, and their options parsed by the programs that they name."""

import configparser
import copy
import importlib
import importlib.util
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from click.testing import CliRunner

from tests.docs.code_blocks import Block

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
"""A command-line option."""

ALWAYS = {"--help", "--variant", "--variants"}
"""Options that every recipe has, or every one with variants."""

ROOT = Path(__file__).resolve().parents[2]

CHECKED = ("python", "torchrun", "emberfield", "pip", "make")
"""Programs whose arguments are checked."""

TAKEN = ("git", "cp", "curl", "wait", "nvidia-cuda-mps-control", "sed", "gcc")
"""Programs that a block may name too."""

ARGUMENT, COMMAND = "\x1f", "\x1e"
"""What ends an argument, and a command, in the list that is written."""


def commands_of(block: Block, scratch: Path) -> list[list[str]]:
    """The commands of a block of shell as bash would start them, variables and loops expanded.

    Bash runs the block, but finds programs only that write down what they were called with. Raises AssertionError for
    a program that is not among them.
    """
    bash = shutil.which("bash")
    assert bash is not None
    found, programs = scratch / "commands", scratch / "bin"
    programs.mkdir(parents=True)
    found.touch()
    for name in (*CHECKED, *TAKEN):
        program = programs / name
        # One write for a command, as several may run at once.
        program.write_text(f"#!{bash}\nset -- {name} \"$@\"\nIFS=$'\\x1f'\nprintf '%s\\x1f\\x1e' \"$*\" >> {found}\n")
        program.chmod(0o755)
    done = subprocess.run(
        [bash, "-c", f"{block.text}\nwait"],
        cwd=scratch,
        env={"PATH": str(programs)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "command not found" not in done.stderr, f"{block.where}: {done.stderr}"
    return [command.split(ARGUMENT)[:-1] for command in found.read_text(encoding="utf-8").split(COMMAND)[:-1]]


def check_block(block: Block, scratch: Path) -> None:
    """Raises AssertionError, saying why, for a block with an option, preset, extra or module that is not there."""
    if block.language == "python":
        compile(block.text, block.where, "exec")
        return
    for name, *arguments in commands_of(block, scratch):
        wrong = CHECKS[name](arguments) if name in CHECKS else None
        assert wrong is None, f"{block.where}: {' '.join([name, *arguments])}: {wrong}"


def wrong_option(module: str, arguments: Sequence[str]) -> str | None:
    """What the command line of a recipe says of these arguments, None if it takes them; the command is not run."""
    recipe = importlib.import_module(module)
    assert isinstance(recipe.main, click.Group)

    def only_parsed(**options: Any) -> None:
        preset = options.get("preset")
        if preset is not None and preset not in presets_of(recipe):
            raise click.BadParameter(
                f"{preset!r}; valid: {', '.join(sorted(presets_of(recipe)))}", param_hint="'--preset'"
            )

    group = copy.copy(recipe.main)
    group.commands = {name: copy.copy(command) for name, command in recipe.main.commands.items()}
    for command in group.commands.values():
        command.callback = only_parsed
    result = CliRunner().invoke(group, list(arguments))
    return None if result.exit_code == 0 else result.output


def wrong_code(module: str, text: str) -> str | None:
    """What is wrong with the options that a piece of code in a text names, None if some command takes them all.

    Options with values, as `--preset quick --val-size 0`, are parsed. Others, and those with a value in capitals, have
    to exist.
    """
    from torch.distributed.run import get_args_parser

    commands = importlib.import_module(module).main.commands
    known = {name for command in commands.values() for parameter in command.params for name in parameter.opts}
    torchrun = set(get_args_parser()._option_string_actions)
    if missing := set(OPTION.findall(text)) - known - torchrun - ALWAYS:
        return f"no command takes {', '.join(sorted(missing))}"
    arguments = shlex.split(text) if text.startswith("--") and " " in text else []
    if not arguments or arguments[0] in torchrun - known or any(argument.isupper() for argument in arguments):
        return None
    answers = [wrong_option(module, [name, *arguments]) for name in commands]
    taken = any(answer is None or "Missing" in answer for answer in answers)
    return None if taken else next(answer for answer in answers if answer)


def presets_of(recipe: ModuleType) -> set[str]:
    """The names of a recipe's presets."""
    experiment = getattr(recipe, "EXPERIMENT", None)
    folder = experiment.presets if experiment else Path(str(recipe.__file__)).with_name("presets")
    return {path.stem for path in folder.glob("*.json")} if folder else set()


def _wrong_python(arguments: Sequence[str]) -> str | None:
    if not arguments or arguments[0] != "-m":
        return None
    module, *rest = arguments[1:]
    if module == "pip":
        return _wrong_pip(rest)
    if module == "venv":
        return None
    if importlib.util.find_spec(module) is None:
        return f"there is no module {module}"
    return wrong_option(module, rest) if module.startswith("recipes.") else None


def _wrong_torchrun(arguments: Sequence[str]) -> str | None:
    from torch.distributed.run import get_args_parser

    try:
        parsed = get_args_parser().parse_args(list(arguments))
    except SystemExit:
        return "torchrun does not take these options"
    rest = [parsed.training_script, *parsed.training_script_args]
    return _wrong_python(["-m", *rest] if parsed.module else rest)


def _wrong_pip(arguments: Sequence[str]) -> str | None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for name in re.findall(r"\[([\w,-]+)\]", " ".join(arguments)):
        if missing := set(name.split(",")) - set(setup["options.extras_require"]):
            return f"there is no extra {', '.join(sorted(missing))}"
    return None


def _wrong_make(arguments: Sequence[str]) -> str | None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for argument in arguments:
        if argument.startswith("ARGS="):
            return wrong_option("recipes.s7_cifar", argument.removeprefix("ARGS=").split())
        if "=" not in argument and argument not in targets:
            return f"the Makefile has no target {argument}"
    return None


CHECKS = {
    "python": _wrong_python,
    "torchrun": _wrong_torchrun,
    "emberfield": lambda arguments: wrong_option("recipes.s7_cifar", arguments),
    "pip": _wrong_pip,
    "make": _wrong_make,
}
"""What is wrong with the arguments of a program, by its name; None if nothing is."""
