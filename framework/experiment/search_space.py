"""What a sweep searches: for each setting a list of values, or a range of numbers, as Optuna's distributions."""

import json
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from framework.config import Config
from framework.config.config import walk
from framework.config.declaration import as_declared
from framework.config.idle import NOT_WITH, ONLY_WITH, why_idle
from framework.errors import EmberfieldError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

FIXED = ("data", "seed", "val_size")
"""What has to be the same for all trials, or their validation accuracies could not be compared."""


@dataclass(frozen=True)
class SearchSpace:
    """The space as it was `given`, by setting, and Optuna's `distributions`; `shared` are the settings beside it."""

    given: Mapping[str, Any]
    distributions: "dict[str, BaseDistribution]"
    shared: Config

    def suggested(self, finished: "Sequence[FrozenTrial]", seed: int) -> dict[str, Any]:
        """Optuna's parameters of the trial after the `finished` ones: a function of these and the seed, below 2**32.

        By TPE (Bergstra et al. 2011, "Algorithms for hyper-parameter optimization"); the first ten are drawn evenly.
        """
        import optuna

        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), direction="maximize")
        study.add_trials(finished)
        params: dict[str, Any] = study.ask(self.distributions).params
        return params

    def settings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that Optuna's parameters stand for, without those that have no effect beside the others."""
        hints, found = _hints(), {}
        for name, value in params.items():
            index = None if _is_range(self.given[name]) else int(self.distributions[name].to_internal_repr(value))
            found[name] = as_declared(value if index is None else self.given[name][index], hints[name])
        config = self.shared.updated(found)
        return {name: value for name, value in found.items() if why_idle(config, name) is None}


def read_space(space: Mapping[str, Any], shared: Config, settings: Mapping[str, Any]) -> SearchSpace:
    """Reads a space; `settings` are those that the user gives beside it.

    Raises EmberfieldError for what is no setting or none of its values, for a setting that is given beside the space
    too, and for one that would never have an effect.
    """
    if not isinstance(space, Mapping) or not space:
        raise EmberfieldError(f"--space is {space!r}; it takes a list or a range for each setting by name")
    try:
        json.dumps(space)
    except TypeError as error:
        raise EmberfieldError(f"--space takes what JSON can hold: {error}") from error
    hints, distributions = _hints(), {}
    for name, given in space.items():
        if name in FIXED or name in settings:
            which = "is the same for all trials" if name in FIXED else "is given beside it too"
            raise EmberfieldError(f"{name} cannot be in --space: it {which}")
        values = [given["min"], given["max"]] if _is_range(given) else given
        if not isinstance(values, list | tuple) or not values:
            raise EmberfieldError(
                f"--space has {given!r} for {name}; it takes a list, or an object with min, max, log and step"
            )
        for value in values:
            shared.updated({name: as_declared(value, hints.get(name))})
        if (why := why_idle(shared, name)) and not space.keys() & {*ONLY_WITH.get(name, ()), *NOT_WITH.get(name, ())}:
            raise EmberfieldError(f"{name} in --space has no effect: {why}")
        try:
            distributions[name] = _distribution(
                given, whole=float not in (typing.get_args(hints[name]) or [hints[name]])
            )
        except (ValueError, TypeError) as error:
            raise EmberfieldError(f"--space has {given!r} for {name}: {error}") from error
    return SearchSpace(space, distributions, shared)


def _is_range(given: object) -> bool:
    return isinstance(given, Mapping) and {"min", "max"} <= given.keys() <= {"min", "max", "log", "step"}


def _distribution(given: Any, *, whole: bool) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not _is_range(given):  # Optuna keeps plain values alone
        plain = (str, int, float, type(None))
        return CategoricalDistribution([each if isinstance(each, plain) else json.dumps(each) for each in given])
    low, high, log, step = (given.get(key) for key in ("min", "max", "log", "step"))
    if whole:
        return IntDistribution(low, high, log=bool(log), step=1 if step is None else step)
    return FloatDistribution(low, high, log=bool(log), step=step)


def _hints() -> dict[str, Any]:
    """The types of all settings, by name."""
    plain = Config()
    sections = [type(getattr(plain, name)) for name in dict.fromkeys(section for section, _, _ in walk(plain))]
    return {name: hint for section in sections for name, hint in typing.get_type_hints(section).items()}
