"""Hold the wheel and the sdist to what they must contain: python scripts/distributions.py FOLDER."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = "meerkat_actors"
EXPECTED: Final = (f"{PACKAGE}/py.typed", f"{PACKAGE}/__init__.py", f"{PACKAGE}/examples/review/review.toml")
"""Named, lest a rule that drops them from git and from the wheel alike goes unseen."""

SOURCES: Final = (PACKAGE, "tests", "scripts", "README.md", "pyproject.toml")
"""What the sdist holds of the tree: enough to build and to test."""


def main(folder: Path) -> int:
    """Print every problem; the number of them is the exit code."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    problems = [*wheel_problems(wheel), *sdist_problems(sdist)]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if not problems:
        print(f"   {wheel.name} and {sdist.name} hold what they must")
    return len(problems)


def wheel_problems(wheel: Path) -> list[str]:
    """The package as git knows it, all of it, and beside it only its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = tree(PACKAGE) | set(EXPECTED)
    metadata = {name for name in names if PurePosixPath(name).parts[0].endswith(".dist-info")}
    return [
        *(f"{wheel.name} lacks {name}" for name in sorted(wanted - names)),
        *(f"{wheel.name} has {name}, which is no part of the package" for name in sorted(names - metadata - wanted)),
    ]


def sdist_problems(sdist: Path) -> list[str]:
    """Enough to build and to test."""
    with tarfile.open(sdist) as archive:
        names = {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in archive.getnames()}
    return [f"{sdist.name} lacks {name}" for name in sorted(tree(*SOURCES) - names)]


def tree(*paths: str) -> set[str]:
    """What git tracks below these, and what it would track by ``git add``; deleted files aside."""
    listing = subprocess.run(  # noqa: S603 - our own arguments
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths],  # noqa: S607 - as users
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return {name for name in listing.split("\0") if name and (ROOT / name).is_file()}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
