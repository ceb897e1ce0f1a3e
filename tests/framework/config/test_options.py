"""Options made of the settings, as a user meets them."""

import pytest

from framework.config import Config
from framework.config.config import walk
from framework.config.options import JsonText
from framework.config.renamed import SETTINGS
from tests.framework.experiment.running import run


def test_help_lists_the_settings_by_section() -> None:
    text = run("train", "--help").output
    places = [text.index(f"\n{section.capitalize()}:") for section in dict.fromkeys(s for s, _, _ in walk(Config()))]
    assert places == sorted(places)
    data, network = text.index("\nData:"), text.index("\nNetwork:")
    assert data < text.index("--val-size") < network < text.index("--arch-options")
    assert text.index("--resume") < data


def test_help_names_what_a_list_may_hold() -> None:
    text = " ".join(run("train", "--help").output.split())
    assert "trackers that get the figures too (valid: mlflow, wandb)" in text
    assert 'one (valid: max_pooling, pooling, strides) [default: ["max_pooling"]]' in text


@pytest.mark.parametrize("former", sorted(SETTINGS))
def test_a_former_option_is_answered_by_its_new_name(former: str) -> None:
    option, new = (f"--{name.replace('_', '-')}" for name in (former, SETTINGS[former]))
    for command in ("train", "verify-resume"):
        result = run(command, option, "1")
        assert result.exit_code == 2
        assert f"{option} is now called {new}" in result.output


def test_the_former_flip_average_is_answered() -> None:
    result = run("evaluate", "--flip-average")
    assert result.exit_code == 2 and "--flip-average is now called --tta flip" in result.output


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("norm=group", {"norm": "group"}),
        ("norm=group,depth=3", {"norm": "group", "depth": 3}),
        ("widths=[16, 24,32], down=blur,flag=true", {"widths": [16, 24, 32], "down": "blur", "flag": True}),
        ('{"norm": "group", "rate": 1e-3}', {"norm": "group", "rate": 1e-3}),
        ('a=True,b=None,c=x=y,d="3",e=1.5', {"a": True, "b": None, "c": "x=y", "d": "3", "e": 1.5}),
        ("name=a,b", {"name": "a,b"}),
    ],
)
def test_an_object_is_written_as_pairs_or_as_json(text: str, options: dict[str, object]) -> None:
    assert JsonText(dict).convert(text, None, None) == options


@pytest.mark.parametrize("text", ["", "norm", "norm=a,norm=b", "=3", "a b=3", "[1]", "{norm: 3}"])
def test_what_is_neither_is_refused(text: str) -> None:
    result = run("summary", "--arch-options", text)
    assert result.exit_code == 2 and f"Invalid value for '--arch-options': {text!r} " in " ".join(result.stderr.split())
