"""Every command and code block of the README and of docs/ is run, or says why not and is parsed."""

import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.docs.code_blocks import LARGEST_SHARE, Block, blocks_of, code_in_text, marked_share, problem, run_blocks
from tests.docs.commands import ROOT, check_block, wrong_code
from tests.warm_python import warm_python

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

RECIPE = "recipes.s7_cifar"
"""Whose options the text is about."""

SETTINGS = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
"""Of the environment: tests that run beside each other would wait for each other's threads."""

PAGES = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md"))]


MARKED = [
    block
    for pattern in ("*.md", "docs/**/*.md", "weights/*.md", "records/**/*.md")
    for path in sorted(ROOT.glob(pattern))
    for block in blocks_of(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    if block.is_code and block.reason
]
"""The blocks that are not run, of other pages too."""


def blocks(page: str) -> list[Block]:
    return blocks_of(page, (ROOT / page).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for those of the pages, with their ../cifar10: a few images of noise with CIFAR-10's classes."""
    folder = tmp_path_factory.mktemp("pages")
    generator = np.random.default_rng(0)
    for split, number in (("train", 10), ("test", 2)):
        for name in CLASSES:
            place = folder / "cifar10" / split / name
            place.mkdir(parents=True)
            for image in range(number):
                cv2.imwrite(str(place / f"{image:04}.png"), generator.integers(0, 256, (32, 32, 3), np.uint8))
    return folder


@pytest.fixture
def environment() -> dict[str, str]:
    """One whose `python` is that of the tests."""
    return os.environ | SETTINGS | {"PATH": f"{Path(warm_python()).parent}:{os.environ['PATH']}"}


def page_folder(pages: Path, page: str) -> Path:
    folder = pages / page.replace("/", "-")
    folder.mkdir()
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_every_block_has_a_language_and_a_known_reason(page: str) -> None:
    assert [found for block in blocks(page) if (found := problem(block))] == []


@pytest.mark.parametrize("page", [page for page in PAGES if any(block.is_code for block in blocks(page))])
def test_the_blocks_of_a_page_run(page: str, pages: Path, environment: dict[str, str]) -> None:
    assert run_blocks(blocks(page), page_folder(pages, page), environment) is None


@pytest.mark.parametrize("block", MARKED, ids=lambda block: block.where)
def test_a_block_that_is_not_run_has_options_that_exist(block: Block, tmp_path: Path) -> None:
    check_block(block, tmp_path)


def test_at_most_a_fifth_of_the_blocks_is_not_run() -> None:
    every = [block for page in PAGES for block in blocks(page)]
    assert sum(block.is_code for block in every) >= 20
    assert marked_share(every) <= LARGEST_SHARE


@pytest.mark.parametrize("page", [page for page in PAGES if page == "README.md" or page.startswith("docs/guides/")])
def test_the_options_that_the_text_names_exist(page: str) -> None:
    code = code_in_text((ROOT / page).read_text(encoding="utf-8"))
    assert [f"{text}: {wrong}" for text in code if (wrong := wrong_code(RECIPE, text))] == []


# Controls: that the checks above can fail.

GOOD = """
```sh
python -m recipes.s7_cifar list | grep c1c2c3c40
for name in a b; do echo $name > $name.txt; done
```

```json title="folder/settings.json"
{"training": {"epochs": 1}}
```

```python
import json
print(json.load(open("folder/settings.json")), open("b.txt").read())
```

- in a list

    <!-- not run: hours -->
    ```sh
    for seed in 0 1; do
        python -m recipes.s7_cifar --preset quick --seed $seed --out "runs/a $seed" &
    done
    ```

<!-- not run: needs-gpu -->
```sh
torchrun --nproc-per-node 2 -m recipes.s7_cifar --data ../cifar10 --resume --out runs/mine
pip install -e '.[export]'
make train ARGS="--epochs 3"
```

```text
what is printed
```
"""


def test_good_blocks_run_and_parse(tmp_path: Path, environment: dict[str, str]) -> None:
    found = blocks_of("page.md", GOOD)
    assert [problem(block) for block in found] == [None] * 6
    assert [(block.line, block.reason) for block in found if block.reason] == [(19, "hours"), (26, "needs-gpu")]
    assert run_blocks(found, tmp_path, environment) is None
    assert (tmp_path / "b.txt").read_text() == "b\n"
    for number, block in enumerate(block for block in found if block.reason):
        check_block(block, tmp_path / str(number))


@pytest.mark.parametrize(
    "text",
    [
        "```sh\nexit 3\n```",
        "```sh\nfalse\ntrue\n```",
        "```sh\npython -m recipes.s7_cifar list --no-such-option\n```",
        "```sh\npython -m recipes.s7_cifar --preset no-such-preset | cat\n```",
        "```python\nraise SystemExit(2)\n```",
        "```python\nimport recipes.no_such_recipe\n```",
        '```python title="a.py"\n1 / 0\n```\n\n```sh\npython a.py\n```',
    ],
)
def test_a_block_that_fails_is_found_out(text: str, tmp_path: Path, environment: dict[str, str]) -> None:
    found = blocks_of("page.md", text)
    assert [problem(block) for block in found] == [None] * len(found)
    said = run_blocks(found, tmp_path, environment)
    assert said is not None and re.match(r"page.md:\d ended with code [123]", said)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("python -m recipes.s7_cifar --no-such-option 3", "No such option"),
        ("python -m recipes.s7_cifar train --epochs many", "Invalid value for '--epochs'"),
        ("python -m recipes.s7_cifar --preset no-such-preset", "unknown preset 'no-such-preset'"),
        ("python -m recipes.s7_cifar no-such-command", "No such command"),
        ("python -m recipes.s7_cifar evaluate --epochs 3", "No such option"),
        ("for lr in 0.1 x; do python -m recipes.s7_cifar --lr $lr; done", "Invalid value for '--lr'"),
        ("python -m recipes.no_such_recipe", "there is no module"),
        ("torchrun --nproc-per-node 2 -m recipes.s7_cifar --no-such-option", "No such option"),
        ("torchrun --no-such-option 2 -m recipes.s7_cifar", "torchrun does not take"),
        ("emberfield --no-such-option", "No such option"),
        ("make no-such-target", "no target"),
        ("make train ARGS='--no-such-option'", "No such option"),
        ("pip install '.[no-such-extra]'", "no extra"),
        ("no-such-program --data x", "command not found"),
    ],
)
def test_a_wrong_option_in_a_block_that_is_not_run_is_found_out(command: str, reason: str, tmp_path: Path) -> None:
    (block,) = blocks_of("page.md", f"<!-- not run: hours -->\n```sh\n{command}\n```")
    with pytest.raises(AssertionError, match=reason):
        check_block(block, tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<!-- not run: dull -->\n```sh\ntrue\n```", "'dull' is no reason"),
        ("    python -m recipes.s7_cifar", "a block of ''"),
        ("```\ntrue\n```", "a block of ''"),
        ("```shell\ntrue\n```", "a block of 'shell'"),
        ("```json\n{}\n```", "a block of 'json'"),
        ("```text\n$ true\n```", "a command in a block of text"),
        ("```text\npython -m recipes.s7_cifar\n```", "a command in a block of text"),
    ],
)
def test_a_block_that_would_escape_is_found_out(text: str, reason: str) -> None:
    (block,) = blocks_of("page.md", text)
    assert reason in (problem(block) or "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("`evaluate --no-such-option`", "no command takes --no-such-option"),
        ("| `--epochs` | `--preset no-such-preset --epochs 3` |", "unknown preset"),
        ("`--epochs many`", "--epochs"),
        ("`--epochs 3 --checkpoint runs/a`", "No such option"),
    ],
)
def test_a_wrong_option_in_a_text_is_found_out(text: str, reason: str) -> None:
    (wrong,) = [wrong for code in code_in_text(f"|a|b|\n|-|-|\n{text}") if (wrong := wrong_code(RECIPE, code))]
    assert reason in wrong


def test_right_options_in_a_text_pass() -> None:
    text = (
        "`--epochs 3 --seed 1`, `--epochs`, `report RUN --out x`, `--checkpoint RUN`, `--max-restarts 1`, a --no-code"
    )
    assert len(code_in_text(text)) == 5
    assert [wrong for code in code_in_text(text) if (wrong := wrong_code(RECIPE, code))] == []


def test_a_comment_marks_the_next_block_alone() -> None:
    marker = "<!-- not run: hours -->"
    text = f"{marker}\n\n```sh\na\n```\n\n```sh\nb\n```\n\n{marker}\n\nText.\n\n```sh\nc\n```"
    found = blocks_of("page.md", text)
    assert [block.reason for block in found] == ["hours", None, None]


@pytest.mark.parametrize(("marked", "whole", "allowed"), [(1, 5, True), (2, 9, False), (0, 1, True), (1, 1, False)])
def test_a_share_over_a_fifth_is_found_out(marked: int, whole: int, allowed: bool) -> None:
    text = "<!-- not run: hours -->\n```sh\ntrue\n```\n\n" * marked + "```sh\ntrue\n```\n\n" * (whole - marked)
    text += '```json title="a.json"\n{}\n```\n\n```text\nout\n```\n' * 9  # what is no code does not count
    assert (marked_share(blocks_of("page.md", text)) <= LARGEST_SHARE) is allowed
