from framework.report.provenance import provenance
from framework.run.environment import describe_environment


def test_a_run_says_where_it_comes_from() -> None:
    environment = {
        "device": "cuda",
        "cpu": "a processor",
        "cuda_devices": ["a GPU", "a GPU"],
        "python": "3.11.2",
        "packages": {"torch": "2.9", "torchvision": None, "numpy": "2.0"},
        "commit": "abc",
        "uncommitted_changes": True,
        "begun": "2026-01-02 03:04:05+00:00",
    }
    assert provenance(environment) == [
        ("commit", "abc, with changes"),
        ("versions", "Python 3.11.2, torch 2.9"),
        ("device", "cuda, a GPU, a processor"),
        ("begun", "2026-01-02 03:04:05+00:00"),
    ]
    assert ("device", "cpu, a processor") in provenance({**environment, "device": "cpu"})
    assert ("commit", "abc") in provenance({**environment, "uncommitted_changes": False})


def test_what_is_not_known_is_left_out() -> None:
    assert provenance({}) == []
    assert provenance({"packages": [], "cuda_devices": 3, "device": "cuda:0"}) == [("device", "cuda:0")]


def test_an_environment_is_described_so() -> None:
    assert {"versions", "begun"} <= dict(provenance(describe_environment())).keys()
