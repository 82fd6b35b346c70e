"""Damage to the files of a store: one random change, named by its class and place, from a seed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Final, TypeAlias

import apsw

PAGE: Final = 4096

Value: TypeAlias = int | str | bytes | None


def damage(path: Path, kind: str, chance: Random) -> str:
    """Do one damage of a class to a database or what lies beside it, and say what was done."""
    return DAMAGES[kind](path, chance)


# -- bytes --------------------------------------------------------------------------------


def _flip_bits(path: Path, chance: Random) -> str:
    content = bytearray(path.read_bytes())
    told: list[str] = []
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        place, bit = chance.randrange(len(content)), chance.randrange(8)
        content[place] ^= 1 << bit
        told.append(f"{place}.{bit}")
    path.write_bytes(content)
    return f"bits {' '.join(told)}"


def _change_page(path: Path, chance: Random) -> str:
    content = bytearray(path.read_bytes())
    count = len(content) // PAGE
    one, other = chance.randrange(count), chance.randrange(count)
    mine, theirs = slice(one * PAGE, (one + 1) * PAGE), slice(other * PAGE, (other + 1) * PAGE)
    way = chance.choice(("zeroed", "random", "copied", "swapped", "half"))
    match way:
        case "zeroed":
            content[mine] = bytes(PAGE)
        case "random":
            content[mine] = chance.randbytes(PAGE)
        case "copied":
            content[mine] = content[theirs]
        case "swapped":
            content[mine], content[theirs] = content[theirs], content[mine]
        case _:
            # Torn: the second half is another page's.
            content[one * PAGE + PAGE // 2 : (one + 1) * PAGE] = content[other * PAGE + PAGE // 2 : (other + 1) * PAGE]
    path.write_bytes(content)
    return f"page {one + 1} {way} ({other + 1})"


def _truncate(path: Path, chance: Random) -> str:
    content = path.read_bytes()
    length = chance.choice((chance.randrange(len(content)), PAGE * chance.randrange(len(content) // PAGE)))
    path.write_bytes(content[:length])
    return f"cut at {length} of {len(content)}"


# -- the log ------------------------------------------------------------------------------


def _damage_log(path: Path, chance: Random) -> str:
    log = path.with_name(f"{path.name}-wal")
    content = bytearray(log.read_bytes())
    way = chance.choice(("deleted", "emptied", "cut", "flipped"))
    match way:
        case "deleted":
            log.unlink()
        case "emptied":
            log.write_bytes(b"")
        case "cut":
            length = chance.randrange(1, len(content))
            log.write_bytes(content[:length])
            return f"log cut at {length} of {len(content)}"
        case _:
            place = chance.randrange(len(content))
            content[place] ^= 1 << chance.randrange(8)
            log.write_bytes(content)
            return f"log flipped at {place}"
    return f"log {way}"


# -- rows ---------------------------------------------------------------------------------


def _change_value(path: Path, chance: Random) -> str:
    """Another value in one column of one row, as a program could write it that knows no CHECK."""
    return _until_it_fits(path, chance, _set_value)


def _swap_values(path: Path, chance: Random) -> str:
    """The values of one column of two rows, each in the place of the other."""
    return _until_it_fits(path, chance, _swap)


def _delete_row(path: Path, chance: Random) -> str:
    return _until_it_fits(path, chance, _delete)


def _copy_row(path: Path, chance: Random) -> str:
    return _until_it_fits(path, chance, _copy)


@contextmanager
def unchecked(path: Path) -> Generator[apsw.Connection]:
    """Change a file as a program would that knows nothing of CHECKs and references."""
    connection = apsw.Connection(str(path))
    try:
        connection.pragma("foreign_keys", 0)
        connection.pragma("ignore_check_constraints", 1)
        yield connection
    finally:
        connection.close()


def change(path: Path, *statements: str) -> None:
    """Change rows so, each statement at least one."""
    with unchecked(path) as connection:
        for statement in statements:
            connection.execute(statement)
            assert connection.changes() > 0, statement


Way: TypeAlias = Callable[[apsw.Connection, str, Random], str | None]


def _until_it_fits(path: Path, chance: Random, way: Way) -> str:
    # Nothing holds but NOT NULL, STRICT and the unique indexes, which no pragma lifts.
    has_log = path.with_name(f"{path.name}-wal").exists()
    with unchecked(path) as connection:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log)
        connection.pragma("wal_autocheckpoint", 0)
        tables = [
            str(name)
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        ]
        while True:
            table = chance.choice(tables)
            try:
                told = way(connection, table, chance)
            except (apsw.ConstraintError, apsw.MismatchError):
                continue
            if told is not None:
                return told


def _rows_of(connection: apsw.Connection, table: str) -> tuple[list[str], list[str], list[tuple[Value, ...]]]:
    """Columns, those of the primary key, and all rows. The samples are small."""
    told = connection.execute("SELECT name, pk FROM pragma_table_info(?)", (table,)).fetchall()
    names = [str(name) for name, _ in told]
    keys = [str(name) for name, place in told if place] or ["rowid"]
    rows = connection.execute(f"SELECT {', '.join((*keys, *names))} FROM {table}").fetchall()
    return names, keys, rows  # type: ignore[return-value]  # no floats: see the schema


def _where(keys: list[str]) -> str:
    return " AND ".join(f"{key} = ?" for key in keys)


def _set_value(connection: apsw.Connection, table: str, chance: Random) -> str | None:
    names, keys, rows = _rows_of(connection, table)
    if not rows:
        return None
    row, place = chance.choice(rows), chance.randrange(len(names))
    key, old = row[: len(keys)], row[len(keys) + place]
    new = _other_value(old, [other[len(keys) + place] for other in rows], chance)
    if new == old and type(new) is type(old):
        return None
    connection.execute(f"UPDATE {table} SET {names[place]} = ? WHERE {_where(keys)}", (new, *key))
    told = f"set {table}.{names[place]} {key}: {_shown(old)} -> {_shown(new)}"
    return told if _is_admitted(names, row[len(keys) :]) else f"{told} (never admitted)"


def _other_value(old: Value, others: list[Value], chance: Random) -> Value:
    way = chance.randrange(4)
    if way == 0:
        return chance.choice(others)
    if way == 1 and chance.randrange(3) == 0:
        return None
    match old:
        case int():
            return chance.choice((old + 1, old - 1, 0, 1, -1, chance.randrange(64), chance.randrange(2**62)))
        case str():
            place = chance.randrange(len(old) + 1)
            return chance.choice((old[:place], old[:place] + "x" + old[place + 1 :], old + "é", "", "\x1b[2J"))
        case bytes():
            return _other_bytes(old, chance)
        case None:
            return chance.choice((1, b"\x01" * 16, b"{}", "text"))


def _other_bytes(old: bytes, chance: Random) -> bytes:
    if not old:
        return b"x"
    place = chance.randrange(len(old))
    digits = [at for at, byte in enumerate(old) if 0x30 <= byte < 0x39]
    if digits and chance.randrange(2):
        # Another number in a JSON body: what rot of a payload looks like when it still decodes.
        at = chance.choice(digits)
        return old[:at] + bytes((old[at] + 1,)) + old[at + 1 :]
    flipped = old[:place] + bytes((old[place] ^ (1 << chance.randrange(8)),)) + old[place + 1 :]
    return chance.choice((flipped, flipped, old[:place], old + b" ", bytes(len(old))))


def _swap(connection: apsw.Connection, table: str, chance: Random) -> str | None:
    names, keys, rows = _rows_of(connection, table)
    if len(rows) < 2:
        return None
    (one, other), place = chance.sample(rows, 2), chance.randrange(len(names))
    at = len(keys) + place
    if one[at] == other[at] or names[place] in keys:
        return None
    statement = f"UPDATE {table} SET {names[place]} = ? WHERE {_where(keys)}"
    connection.execute("BEGIN")
    try:
        connection.execute(statement, (other[at], *one[: len(keys)]))
        connection.execute(statement, (one[at], *other[: len(keys)]))
    except (apsw.ConstraintError, apsw.MismatchError):
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    told = f"swap {table}.{names[place]} {one[: len(keys)]}, {other[: len(keys)]}"
    is_admitted = any(_is_admitted(names, row[len(keys) :]) for row in (one, other))
    return told if is_admitted else f"{told} (never admitted)"


def _is_admitted(names: list[str], row: tuple[Value, ...]) -> bool:
    """False for mail that was never counted: no number of its recipient's proves whose it is."""
    return "admission" not in names or row[names.index("admission")] is not None


def _delete(connection: apsw.Connection, table: str, chance: Random) -> str | None:
    _, keys, rows = _rows_of(connection, table)
    if not rows:
        return None
    key = chance.choice(rows)[: len(keys)]
    connection.execute(f"DELETE FROM {table} WHERE {_where(keys)}", key)
    return f"delete {table} {key}"


def _copy(connection: apsw.Connection, table: str, chance: Random) -> str | None:
    names, keys, rows = _rows_of(connection, table)
    if not rows:
        return None
    values = list(chance.choice(rows)[len(keys) :])
    # Under another key, and under other ids where they are unique.
    for place, name in enumerate(names):
        old = values[place]
        if name in {"seq", "key", "nth", "version", "sequence", "admission"} and isinstance(old, int):
            values[place] = old + chance.randrange(1, 90)
        if name in {"input_id", "session", "run"} and isinstance(old, bytes) and chance.randrange(3):
            values[place] = chance.randbytes(16)
        if name in {"idempotency", "name"} and isinstance(old, str):
            values[place] = f"{old}{chance.randrange(99)}"
    connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
    return f"copy {table} {tuple(values[:3])}"


def _shown(value: Value) -> str:
    return repr(value if not isinstance(value, bytes | str) else value[:60])


DAMAGES: Final[Mapping[str, Callable[[Path, Random], str]]] = MappingProxyType(
    {
        "bits": _flip_bits,
        "pages": _change_page,
        "truncation": _truncate,
        "log": _damage_log,
        "value": _change_value,
        "swap": _swap_values,
        "deletion": _delete_row,
        "copy": _copy_row,
    }
)
"""Every class of damage, by name. ``log`` needs a log."""
