"""What the files around the code say of each other: the workflow, the Makefile, the citation, the metadata."""

import configparser
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]


def read_yaml(path: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    return found


def metadata() -> configparser.SectionProxy:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser["metadata"]


def make_targets() -> set[str]:
    (line,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return set(line.split())


def test_make_alone_lists_every_target() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = re.findall(r"^make (\S+) +\S", done.stdout, flags=re.MULTILINE)
    assert set(listed) == make_targets()
    assert {"help", "train", "test", "check", "coverage", "soak"} <= set(listed)


def test_the_workflow_runs_targets_that_exist_on_each_python_that_is_declared() -> None:
    jobs = read_yaml(".github/workflows/tests.yml")["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    targets = {command.split()[1] for command in commands if command.split()[0] == "make"}
    assert {"test", "coverage", "docs"} <= targets <= make_targets()
    declared = re.findall(r"Python :: (3\.\d+)", metadata()["classifiers"])
    assert jobs["test"]["strategy"]["matrix"]["python"] == declared


def test_the_citation_is_of_this_version_and_project() -> None:
    citation = read_yaml("CITATION.cff")
    assert citation["version"] == metadata()["version"]
    assert citation["license"] == metadata()["license_expression"]
    assert f"Source = {citation['repository-code']}" in metadata()["project_urls"].splitlines()
