"""The sources under a folder, read once and checked before anything is written."""

from __future__ import annotations

import ast
import io
import os
import stat
import tokenize
import warnings
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from attrs import frozen

SOURCE_BYTES_MAX: Final = 2 * 1024 * 1024
"""Bytes of one file: larger ones are generated, and take seconds to analyse."""
FILES_MAX: Final = 10_000
"""Files of one job: what a single reviewer's backlog may hold."""
FOLDER_BYTES_MAX: Final = 512 * 1024 * 1024
"""Bytes of all files together: they are held in memory until they are admitted."""


@frozen(kw_only=True)
class SourceFile:
    """One file as it was read; a review of it depends on nothing else."""

    path: str
    """Relative to the folder, with ``/``."""
    digest: str
    """SHA-256 of its bytes, in hex."""
    source: str
    """Decoded as Python decodes it (PEP 263)."""


@frozen(kw_only=True)
class BrokenFile:
    """A file that can't be reviewed."""

    path: str
    line: int | None
    """Where it breaks; None if the whole file does."""
    problem: str
    """What is wrong and what to do."""


@frozen(kw_only=True)
class SourceFolder:
    """What was found under a folder, by path."""

    name: str
    """The folder's own name: the only part of its path that a report may show."""
    files: tuple[SourceFile, ...]
    broken: tuple[BrokenFile, ...]
    problem: str | None
    """Why there is nothing to review at all; None if there is."""
    skipped: tuple[str, ...] = ()
    """Links that leave the folder: nothing behind them was read."""


def read_folder(folder: Path) -> SourceFolder:
    """Read every ``*.py`` file under ``folder``; nothing is written, and no problem is raised.

    Left aside without a word: names that begin with a dot, ``__pycache__``, virtual environments,
    and links to folders within. Links that leave the folder are left aside and named.
    """
    name = Path(os.path.realpath(folder)).name or "root"
    if not folder.is_dir():
        missing = "not a folder; name one that holds Python source" if folder.exists() else "no such folder"
        return SourceFolder(name=name, files=(), broken=(), problem=missing)
    files: list[SourceFile] = []
    broken: list[BrokenFile] = []
    skipped: list[str] = []
    size = 0
    for found in _python_files(folder, skipped):
        read = found if isinstance(found, BrokenFile) else _read(folder, found)
        if isinstance(read, BrokenFile):
            broken.append(read)
            continue
        files.append(read)
        size += len(read.source)
        if len(files) > FILES_MAX or size > FOLDER_BYTES_MAX:
            too_much = f"more than {FILES_MAX} files or {FOLDER_BYTES_MAX} bytes; review its parts one by one"
            return SourceFolder(name=name, files=(), broken=(), problem=too_much)
    problem = None if files or broken else "no Python files in it; name a folder that holds *.py files"
    return SourceFolder(
        name=name,
        files=tuple(sorted(files, key=lambda file: file.path)),
        broken=tuple(sorted(broken, key=lambda file: file.path)),
        problem=problem,
        skipped=tuple(sorted(skipped)),
    )


def _python_files(folder: Path, skipped: list[str]) -> Iterator[str | BrokenFile]:
    unreadable: list[OSError] = []
    root = os.path.realpath(folder)
    for parent, folders, names in os.walk(folder, onerror=unreadable.append):
        folders[:] = sorted(name for name in folders if not _left_aside(Path(parent, name)))
        sources = sorted(name for name in names if name.endswith(".py") and not name.startswith("."))
        leaving = {name for name in (*folders, *sources) if not _is_inside(Path(parent, name), root)}
        skipped.extend(Path(parent, name).relative_to(folder).as_posix() for name in leaving)
        yield from (Path(parent, name).relative_to(folder).as_posix() for name in sources if name not in leaving)
    for error in unreadable:
        named = os.path.relpath(os.fsdecode(error.filename or folder), folder)
        yield BrokenFile(path=named, line=None, problem=f"{_reason(error)}; make it readable")


def _left_aside(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name == "__pycache__" or (folder / "pyvenv.cfg").exists()


def _is_inside(path: Path, root: str) -> bool:
    return not path.is_symlink() or os.path.join(os.path.realpath(path), "").startswith(os.path.join(root, ""))


def _read(folder: Path, path: str) -> SourceFile | BrokenFile:
    try:
        path.encode()
    except UnicodeEncodeError:
        return BrokenFile(path=path, line=None, problem="its name is no UTF-8; rename it")
    try:
        content = _content(folder / path)
    except OSError as error:
        return BrokenFile(path=path, line=None, problem=f"{_reason(error)}; make it readable")
    if content is None:
        return BrokenFile(path=path, line=None, problem="not a regular file; remove it")
    if len(content) > SOURCE_BYTES_MAX:
        return BrokenFile(path=path, line=None, problem=f"larger than {SOURCE_BYTES_MAX} bytes; split it")
    return _checked(path, content)


def _content(path: Path) -> bytes | None:
    # Non-blocking: a pipe that is named like a module must not hold up the job.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return file.read(SOURCE_BYTES_MAX + 1)


def _checked(path: str, content: bytes) -> SourceFile | BrokenFile:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        source = content.decode(encoding)
        # An exotic codec can make text that no other program accepts.
        source.encode()
    except (SyntaxError, LookupError, ValueError) as error:
        return BrokenFile(
            path=path, line=None, problem=f"does not decode: {_shown(error)}; save it as UTF-8 or mend its coding line"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a string is the author's business
            ast.parse(source)
    except SyntaxError as error:
        return BrokenFile(path=path, line=error.lineno, problem=f"does not parse: {error.msg}; mend it")
    except ValueError as error:
        return BrokenFile(path=path, line=None, problem=f"does not parse: {_shown(error)}; mend it")
    except (RecursionError, MemoryError):
        return BrokenFile(path=path, line=None, problem="does not parse: nested too deeply; split its expressions")
    return SourceFile(path=path, digest=sha256(content).hexdigest(), source=source)


def _reason(error: OSError) -> str:
    return f"unreadable: {error.strerror or type(error).__name__}"


def _shown(error: Exception) -> str:
    return str(error) or type(error).__name__
