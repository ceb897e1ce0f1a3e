import dataclasses
import json
from pathlib import Path

import pytest

from framework.config import (
    AugmentationConfig,
    Config,
    DataConfig,
    MachineConfig,
    NetworkConfig,
    OptimizationConfig,
    TrainingConfig,
    differences,
    saved_config,
)
from framework.config.config import walk
from framework.config.declaration import parse_color
from framework.config.renamed import SETTINGS
from framework.errors import EmberfieldError


def test_field_names_are_unique_over_all_sections() -> None:
    names = [name for _, name, _ in walk(Config())]
    assert len(names) == len(set(names))


def test_json_round_trip(tmp_path: Path) -> None:
    config = Config(
        data=DataConfig(val_size=7),
        network=NetworkConfig(arch="a", arch_options={"width": 0.5}),
        augmentation=AugmentationConfig(transforms=({"name": "HorizontalFlip", "p": 0.5},)),
        optimization=OptimizationConfig(clip_norm=1.5),
    )
    path = tmp_path / "config.json"
    path.write_text(config.to_json())
    assert Config().merged_with_file(path) == config


def test_file_may_leave_out_sections_and_keys(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"training": {"epochs": 3}}))
    config = Config(training=TrainingConfig(seed=9)).merged_with_file(path)
    assert (config.training.epochs, config.training.seed) == (3, 9)


@pytest.mark.parametrize(
    ("content", "teacher"), [('"a"', ("a",)), ('["a"]', ("a",)), ('["a", "b"]', ("a", "b")), ("null", None)]
)
def test_a_text_stands_for_a_list_of_one(tmp_path: Path, content: str, teacher: tuple[str, ...] | None) -> None:
    path = tmp_path / "config.json"
    path.write_text(f'{{"optimization": {{"teacher": {content}}}}}')
    assert Config().merged_with_file(path).optimization.teacher == teacher


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"trainin": {}}', "unknown section 'trainin', did you mean 'training'"),
        ('{"training": {"epoch": 3}}', "unknown key in section 'training' 'epoch', did you mean 'epochs'"),
        ('{"training": {"epochs": "three"}}', "epochs is 'three', a str; it takes int"),
        ('{"training": {"epochs": true}}', "epochs is True, a bool; it takes int"),
        ('{"training": {"epochs": 0}}', "epochs is 0; the smallest valid value is 1"),
        ('{"optimization": {"lr": NaN}}', "lr is nan"),
        ('{"optimization": {"lr": Infinity}}', "lr is inf"),
        ('{"optimization": {"optimizer": "sdg"}}', "unknown optimizer 'sdg', did you mean 'sgd'"),
        ('{"augmentation": {"transforms": ["flip"]}}', "it takes a list of objects"),
        ('{"augmentation": {"transforms": "flip"}}', "transforms is 'flip', a str; it takes tuple"),
        ('{"optimization": {"teacher": 3}}', "teacher is 3, a int; it takes tuple or null"),
        ('{"optimization": {"teacher": [3]}}', "it takes a list of texts"),
        ('{"safety": {"checkpoint_every": "5m"}}', "checkpoint_every is '5m'; it takes seconds like '60s'"),
        ('{"safety": {"checkpoint_every": 5}}', "checkpoint_every is 5, a int; it takes str"),
        ('{"training": 3}', "section 'training' is a int; it takes a JSON object"),
        ("[]", "the configuration is a list"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_wrong_files_are_refused_by_name(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(EmberfieldError) as caught:
        Config().merged_with_file(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_unreadable_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EmberfieldError, match="cannot read the configuration"):
        Config().merged_with_file(path)


def test_a_section_by_itself_is_checked_when_it_is_made_and_stays_as_it_is() -> None:
    with pytest.raises(EmberfieldError, match="lr is -1; the smallest valid value is 0"):
        OptimizationConfig(lr=-1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        OptimizationConfig().lr = -1  # type: ignore[misc]


def test_update_names_the_nearest_setting() -> None:
    with pytest.raises(EmberfieldError, match="unknown setting 'batchsize', did you mean 'batch_size'"):
        Config().updated({"batchsize": 3})


def test_differences_name_what_changes_the_computation_and_leave_out_the_rest() -> None:
    old = Config()
    new = dataclasses.replace(
        old.updated({"lr": 0.5, "batch_size": 64, "arch": "x", "data": "elsewhere"}),
        machine=MachineConfig(workers=3, device="cpu"),
    )
    assert differences(old, new) == [
        "arch was '' and is now 'x'",
        "lr was 0.1 and is now 0.5",
        "batch_size was 128 and is now 64",
    ]
    assert differences(old, old) == []


@pytest.mark.parametrize(
    ("section", "former", "name"),
    [
        ("data", "holdout", "val_size"),
        ("constraints", "parameters_under", "max_params"),
        ("constraints", "unconstrained", "no_constraints"),
        ("optimization", "kernel_lr", "muon_lr"),
        ("optimization", "temperature", "distill_temperature"),
        ("machine", "eager", "no_cuda_graph"),
    ],
)
def test_a_former_key_is_answered_by_its_new_name(tmp_path: Path, section: str, former: str, name: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps({section: {former: 1}}))
    with pytest.raises(EmberfieldError, match=f"'{former}' is now called '{name}'"):
        Config().merged_with_file(tmp_path / "a.json")


def test_what_commit_edbacf6_saved_is_read_with_the_same_meaning(tmp_path: Path) -> None:
    former = {
        "data": {"holdout": 7},
        "network": {"arch": "a", "whiten": False},
        "constraints": {"parameters_under": 200_000, "receptive_field_over": 44, "multiply_adds_under": None},
        "machine": {"eager": True},
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(former))
    config = saved_config(path)
    assert (config.data.val_size, config.network.arch, config.machine.no_cuda_graph) == (7, "a", True)
    assert (config.constraints.max_params, config.constraints.min_receptive_field) == (199_999, 45)
    assert config.constraints.max_multiply_adds is None
    path.write_text(json.dumps(former | {"network": {"arch": "a", "whiten": True}}))
    with pytest.raises(EmberfieldError, match="the run used 'whiten', which is gone; use it with commit edbacf6"):
        saved_config(path)


def test_a_run_that_names_no_background_left_transparency_out(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"data": {"image_size": 8}}')
    assert saved_config(path).data == DataConfig(image_size=8, background=None)
    path.write_text(Config().to_json())
    assert saved_config(path).data.background == "white"


@pytest.mark.parametrize(
    ("text", "color"), [("white", (255, 255, 255)), ("black", (0, 0, 0)), ("#ffE4c4", (255, 228, 196))]
)
def test_colors(text: str, color: tuple[int, int, int]) -> None:
    assert parse_color(text) == color
    for wrong in ("pink", "ffe4c4", "#ffe4c", "#ffe4c4 ", "#gggggg"):
        with pytest.raises(EmberfieldError, match="white, black or #rrggbb"):
            DataConfig(background=wrong)


@pytest.mark.parametrize(("former", "today"), SETTINGS.items())
def test_a_run_from_before_a_setting_was_renamed_is_read(tmp_path: Path, former: str, today: str) -> None:
    """Each name alone among today's, as after a single change."""
    path, content = tmp_path / "config.json", json.loads(Config().to_json())
    (section,) = (section for section, values in content.items() if today in values)
    value = content[section].pop(today)
    content[section][former] = value
    path.write_text(json.dumps(content))
    assert saved_config(path) == Config()


@pytest.mark.parametrize(
    ("former", "today"),
    [
        ({"data": None, "dataset": "digits"}, "digits"),
        ({"data": None, "dataset": None}, None),
        ({"data": "digits", "dataset": None}, "./digits"),
        ({"data": "/images", "dataset": None}, "/images"),
        ({"data": "digits"}, "digits"),
    ],
)
def test_a_path_of_a_run_from_when_names_had_their_own_setting_stays_a_path(
    tmp_path: Path, former: dict[str, str | None], today: str | None
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"data": former}))
    assert saved_config(path).data.data == today
