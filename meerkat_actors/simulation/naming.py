"""How a scenario is found again in another process: ``module:name``, or the bare name of a built-in workload."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Final, cast

from meerkat_actors.errors import UsageError
from meerkat_actors.simulation.scenario import Scenario

_MAIN: Final = "__main__"


def scenario_of(reference: str) -> Scenario:
    """The scenario of that name. Its module is imported.

    Raises:
        UsageError: there is none, or importing its module raises, whatever it is; but Ctrl-C stays Ctrl-C.
    """
    module_name, colon, name = reference.partition(":")
    if not (colon and module_name and name):
        known = _workloads()
        if reference not in known:
            raise UsageError(problem=f"{reference!r}: module:name, or a workload: {', '.join(known)}")
        return known[reference]
    if "/" in module_name or module_name.endswith(".py"):
        problem = f"{reference!r}: name the module as Python imports it, such as tests.test_team:{name}, and no file"
        raise UsageError(problem=problem)
    try:
        module = importlib.import_module(module_name)
        found = getattr(module, name, None)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the user's, and their tests' SystemExit or Skipped; none of them is ours
        raise UsageError(problem=f"{reference!r}: importing {module_name!r} raises {_told(error)}") from error
    if not isinstance(found, Scenario):
        there = ", ".join(each for each, value in vars(module).items() if isinstance(value, Scenario)) or "none"
        raise UsageError(problem=f"{reference!r} is no Scenario; those of {module_name}: {there}")
    return found


def reference_of(scenario: Scenario) -> str | None:
    """By what name the scenario is found again; None: by none, as no module has it."""
    if _workloads().get(scenario.name) is scenario:
        return scenario.name
    for module_name, module in _modules_of(scenario):
        for name, value in [*vars(module).items()]:
            if value is scenario:
                return f"{module_name}:{name}"
    return None


def required_reference_of(scenario: Scenario) -> str:
    """By what name the scenario is found again.

    Raises:
        UsageError: by none.
    """
    reference = reference_of(scenario)
    if reference is None:
        problem = (
            f"{scenario.name!r} can't be found by other processes: make it a name at the top of a module, or jobs=1"
        )
        raise UsageError(problem=problem)
    return reference


def _told(error: BaseException) -> str:
    """What was raised, and the line of the user's that raised it; a syntax error names its own."""
    frames = [each for each in extract_tb(error.__traceback__) if not _is_of_importing(each.filename)]
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _is_of_importing(filename: str) -> bool:
    return filename in {__file__, importlib.__file__} or filename.startswith("<frozen importlib")


def _modules_of(scenario: Scenario) -> Iterator[tuple[str, ModuleType]]:
    """Where it may be, the likely places first, by the name under which another process imports them."""
    likely = [getattr(each, "__module__", "") for each in (scenario.drive, *scenario.checks)]
    for name in dict.fromkeys([*likely, *sorted(sys.modules)]):
        module = sys.modules.get(name)
        importable = _importable(name, module) if isinstance(module, ModuleType) else None
        if importable is not None:
            yield importable, cast("ModuleType", module)


def _importable(name: str, module: ModuleType) -> str | None:
    spec = getattr(module, "__spec__", None)
    if name == _MAIN:
        # Run as a script, its folder is the first of the path, in other processes too.
        path = getattr(module, "__file__", None)
        return spec.name if spec is not None else Path(path).stem if path else None
    return name if spec is not None and spec.name == name else None


def _workloads() -> Mapping[str, Scenario]:
    # Here and not above: who simulates a scenario of their own needs none of them.
    from meerkat_actors.simulation.workloads import WORKLOADS

    return WORKLOADS
