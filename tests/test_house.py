"""The repository keeps its shape: what lies where, how long, how pinned, and free of the machine that made it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = "meerkat_actors"
TOP_LEVEL: Final = {"pyproject.toml", "README.md", PACKAGE, "scripts", "tests"}
LINES_MAX: Final = 350

# Spelled in pieces, so that this file passes its own tests.
MACHINE_PATHS: Final = tuple(f"/{name}/" for name in ("work", "root", "home"))
PACKAGE_HOSTS: Final = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("debian", "org"),
    )
)
DATABASE_NAME: Final = re.compile(r"\.(db|sqlite3?)(-wal|-shm|-journal)?$")
PIN: Final = re.compile(r"[a-z0-9][a-z0-9._-]*==[^\s;,*]+( ; .+)?")


def tracked_files() -> tuple[Path, ...]:
    """What git tracks, and what it would track by ``git add .``; deleted files aside."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = sorted({name for name in listing.split("\0") if name})
    return tuple(Path(name) for name in names if (ROOT / name).is_file())


def text_of(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def pins() -> list[str]:
    return text_of(Path("scripts/constraints.txt")).splitlines()


def pyproject_requirements() -> list[Requirement]:
    project = tomllib.loads(text_of(Path("pyproject.toml")))
    texts: list[str] = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    for extra in project["project"]["optional-dependencies"].values():
        texts.extend(extra)
    return [Requirement(text) for text in texts]


def required_names(name: str, extras: frozenset[str]) -> frozenset[str]:
    """Every distribution that an installation of ``name[extras]`` brings here."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(canonicalize_name(name), extras)]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        for text in distribution(current[0]).requires or ():
            requirement = Requirement(text)
            wanted = [{"extra": extra} for extra in current[1] or {""}]
            if requirement.marker is None or any(map(requirement.marker.evaluate, wanted)):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return frozenset(name for name, _ in seen)


def test_the_top_level_holds_only_the_project_the_package_its_tests_and_scripts() -> None:
    top = {path.parts[0] for path in tracked_files()}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


def test_no_file_of_the_package_is_longer_than_a_reader_can_hold() -> None:
    lengths = {str(path): len(text_of(path).splitlines()) for path in tracked_files() if path.parts[0] == PACKAGE}
    assert {path: lines for path, lines in lengths.items() if lines > LINES_MAX} == {}


def test_the_constraints_pin_every_line_to_one_version() -> None:
    assert [line for line in pins() if not PIN.fullmatch(line)] == []


def test_the_constraints_pin_whatever_the_gates_install() -> None:
    pinned = {canonicalize_name(line.partition("==")[0]) for line in pins()}
    installed = required_names("meerkat-actors", frozenset({"dev"}))
    assert installed - pinned == {"meerkat-actors"}


def test_nothing_is_pinned_in_the_project_file() -> None:
    exact = {"==", "===", "~="}
    assert [
        str(requirement)
        for requirement in pyproject_requirements()
        if any(specifier.operator in exact for specifier in requirement.specifier)
    ] == []


def test_no_file_names_a_place_on_the_machine_that_made_it() -> None:
    assert [(str(path), place) for path in tracked_files() for place in MACHINE_PATHS if place in text_of(path)] == []


def test_no_file_names_a_package_host() -> None:
    assert [(str(path), host) for path in tracked_files() for host in PACKAGE_HOSTS if host in text_of(path)] == []


def test_no_generated_database_is_kept() -> None:
    assert [str(path) for path in tracked_files() if DATABASE_NAME.search(path.name)] == []
