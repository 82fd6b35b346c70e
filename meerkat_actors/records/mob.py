"""A mob's definition: who is in it, and how each profile behaves; TOML in, records out."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, NewType, TypeGuard

from attrs import frozen
from cattrs import BaseValidationError, ClassValidationError, Converter, IterableValidationError
from cattrs.errors import ForbiddenExtraKeysError

from meerkat_actors.errors import DefinitionError, InvalidValueError
from meerkat_actors.records.ids import AgentIdentity, MobId, parse_name

ProfileName = NewType("ProfileName", str)
MemberName = NewType("MemberName", str)
KindName = NewType("KindName", str)
"""A key of ``open_runtime(agents=...)``: files name kinds, never import paths."""
MemberCount = NewType("MemberCount", int)
"""How many agents one member entry stands for. Starts at 1."""

TEXT_BYTES_MAX: Final = 1024 * 1024
"""Bytes of one definition: a page of TOML, a thousand times over."""
MEMBERS_MAX: Final = 10_000
"""Agents of one mob, and of one member entry: the largest society that is measured."""

_SHOWN_MAX: Final = 80
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEY_PARTS_MAX: Final = 64
_KEY_PART: Final = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+"""
# tomllib keeps every prefix of a dotted key: one of 200 kB would take 40 GB.
_DEEP_KEY: Final = re.compile(
    rf"(?:^|[\[{{,])[ \t]*+{_KEY_PART}(?:\.[ \t]*+{_KEY_PART}){{{_KEY_PARTS_MAX}}}", re.MULTILINE
)
_KNOWN_KEYS: Final = {
    "MobDefinition": ("name", "profiles", "members"),
    "ProfileDefinition": ("kind",),
    "MemberDefinition": ("profile", "count"),
}


@frozen(kw_only=True)
class ProfileDefinition:
    """How the members of one profile behave."""

    kind: KindName


@frozen(kw_only=True)
class MemberDefinition:
    """One entry of the roster: a single agent, or ``count`` of them, numbered from 1."""

    profile: ProfileName
    count: MemberCount = MemberCount(1)


@frozen(kw_only=True)
class MobDefinition:
    """A team: its name, its profiles and its members, as checked by ``parse_mob``."""

    name: MobId
    profiles: Mapping[ProfileName, ProfileDefinition]
    members: Mapping[MemberName, MemberDefinition]


@frozen(kw_only=True)
class MobMember:
    """One agent of a mob: the identity it lives under and the kind that runs it."""

    identity: AgentIdentity
    member: MemberName
    """The roster entry that it comes from."""
    kind: KindName


def parse_mob(text: str, *, kinds: Collection[str] | None = None) -> MobDefinition:
    """Parse a TOML mob definition; whatever is not supported is refused.

    ``kinds`` are those that the runtime was given; None leaves that to whoever creates the agents.

    Raises:
        DefinitionError: listing every problem, each with its path.
    """
    document = _document(text)
    problems: list[str] = []
    definition: MobDefinition | None = None
    try:
        definition = _CONVERTER.structure(document, MobDefinition)
    except BaseValidationError as error:
        problems += _flattened(error, "$")
    problems += _name_problems(document)
    problems += _kind_problems(document, kinds)
    problems += _reference_problems(document)
    problems += _roster_problems(document)
    if problems or definition is None:
        raise DefinitionError(problems=tuple(problems))
    return definition


def mob_members(definition: MobDefinition) -> tuple[MobMember, ...]:
    """Every agent of the mob, in the order of the file: ``mob/member``, or ``mob/member-1`` to ``mob/member-n``."""
    return tuple(
        MobMember(
            identity=AgentIdentity(f"{definition.name}/{name}"),
            member=member,
            kind=definition.profiles[entry.profile].kind,
        )
        for member, entry in definition.members.items()
        for name in _numbered(member, entry.count)
    )


def _numbered(member: str, count: int) -> Iterator[str]:
    if count == 1:
        yield member
    else:
        yield from (f"{member}-{number}" for number in range(1, count + 1))


def _document(text: str) -> dict[str, object]:
    # Characters first: encoding a hostile gigabyte only to refuse it costs another one.
    if len(text) > TEXT_BYTES_MAX or len(text.encode(errors="surrogatepass")) > TEXT_BYTES_MAX:
        raise DefinitionError(problems=(f"larger than {TEXT_BYTES_MAX} bytes @ $",))
    if _DEEP_KEY.search(text):
        raise DefinitionError(problems=(f"a dotted key of more than {_KEY_PARTS_MAX} parts @ $",))
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise DefinitionError(problems=("nested too deeply to read @ $",)) from error
    # Besides its own error, tomllib lets the ValueError of an endless integer through.
    except ValueError as error:
        raise DefinitionError(problems=(f"no valid TOML: {_clipped(str(error))} @ $",)) from error


# -- structure: one hook per sort of value, none of which converts ------------------------


def _text_hook(value: object, _: object) -> str:
    if not isinstance(value, str):
        raise InvalidValueError(problem=f"expected a string, got {_sort(value)}")
    return value


def _name_hook(what: str) -> Callable[[object, object], str]:
    return lambda value, _: parse_name(_text_hook(value, _), what=what)


def _count_hook(value: object, _: object) -> MemberCount:
    # `bool` is an int to Python, and `count = true` is a slip.
    if type(value) is not int:
        raise InvalidValueError(problem=f"expected an integer, got {_sort(value)}")
    if not 1 <= value <= MEMBERS_MAX:
        raise InvalidValueError(problem=f"expected 1 to {MEMBERS_MAX}")
    return MemberCount(value)


def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True)
    converter.register_structure_hook(MobId, _name_hook("mob name"))
    converter.register_structure_hook(KindName, _name_hook("kind"))
    # Names of tables are checked in the document: cattrs passes over the key of an entry that has another problem.
    converter.register_structure_hook(ProfileName, _text_hook)
    converter.register_structure_hook(MemberName, _text_hook)
    converter.register_structure_hook(MemberCount, _count_hook)
    for table in (
        ProfileDefinition,
        MemberDefinition,
        Mapping[ProfileName, ProfileDefinition],
        Mapping[MemberName, MemberDefinition],
        MobDefinition,
    ):
        _require_table(converter, table)
    return converter


def _require_table(converter: Converter, table: type[object]) -> None:
    inner = converter.get_structure_hook(table)

    def structure(value: object, _: object) -> object:
        if not _is_table(value):
            raise InvalidValueError(problem=f"expected a table, got {_sort(value)}")
        return inner(value, table)

    converter.register_structure_hook_func(lambda candidate: candidate == table, structure)


_CONVERTER: Final = _converter()


# -- problems: each with its path ----------------------------------------------------------


def _flattened(error: Exception, path: str) -> Iterator[str]:
    """One line for each leaf of cattrs' tree of errors."""
    if isinstance(error, IterableValidationError):
        entries, rest = error.group_exceptions()
        for inner, note in entries:
            yield from _flattened(inner, f"{path}[{_shown(note.index)}]")
    elif isinstance(error, ClassValidationError):
        fields, rest = error.group_exceptions()
        for inner, field in fields:
            yield from _flattened(inner, f"{path}.{field.name}")
    else:
        yield from _leaf(error, path)
        return
    for inner in rest:
        yield from _flattened(inner, path)


def _leaf(error: Exception, path: str) -> Iterator[str]:
    if isinstance(error, ForbiddenExtraKeysError):
        known = ", ".join(_KNOWN_KEYS[error.cl.__name__])
        for key in sorted(error.extra_fields):
            yield f"unknown key; known here: {known} @ {path}{_step(key)}"
    elif isinstance(error, KeyError):
        yield f"required, but missing @ {path}"
    elif isinstance(error, InvalidValueError):
        yield f"{error.problem} @ {path}"
    else:
        raise AssertionError(error)


def _name_problems(document: Mapping[str, object]) -> Iterator[str]:
    for tables, what in (("profiles", "profile name"), ("members", "member name")):
        for name in _table(document.get(tables)) or {}:
            try:
                parse_name(name, what=what)
            except InvalidValueError as error:
                yield f"{error.problem} @ $.{tables}[{_shown(name)}]"


def _kind_problems(document: Mapping[str, object], kinds: Collection[str] | None) -> Iterator[str]:
    if kinds is None:
        return
    known = ", ".join(sorted(kinds)) or "none"
    for profile, entry in (_table(document.get("profiles")) or {}).items():
        kind = (_table(entry) or {}).get("kind")
        if isinstance(kind, str) and kind not in kinds:
            yield f"unknown kind {_shown(kind)}; known: {known} @ $.profiles[{_shown(profile)}].kind"


def _reference_problems(document: Mapping[str, object]) -> Iterator[str]:
    # Read from the document: a slip elsewhere must not hide a dangling reference.
    profiles = _table(document.get("profiles"))
    if profiles is None:
        return
    known = ", ".join(_shown(profile) for profile in profiles) or "none"
    for member, entry in (_table(document.get("members")) or {}).items():
        profile = (_table(entry) or {}).get("profile")
        if isinstance(profile, str) and profile not in profiles:
            yield f"no profile {_shown(profile)}; known: {_clipped(known)} @ $.members[{_shown(member)}].profile"


def _roster_problems(document: Mapping[str, object]) -> Iterator[str]:
    members = _table(document.get("members"))
    if members is None:
        return
    if not members:
        yield "a mob needs at least one member @ $.members"
    counts = {member: _count(entry) for member, entry in members.items()}
    total = sum(counts.values())
    if total > MEMBERS_MAX:
        yield f"{total} agents in all, at most {MEMBERS_MAX} @ $.members"
        return
    owners: dict[str, str] = {}
    for member, count in counts.items():
        path = f"$.members[{_shown(member)}]"
        if count > 1 and len(f"{member}-{count}") > 64 >= len(member):
            yield f"its numbered names are longer than 64 characters @ {path}"
        for name in _numbered(member, count):
            first = owners.setdefault(name, member)
            if first != member:
                yield f"its agent {_shown(name)} is also one of member {_shown(first)} @ {path}"


def _count(entry: object) -> int:
    """What the entry adds to the roster; 0 where another problem already says why not."""
    count = (_table(entry) or {}).get("count", 1)
    return count if type(count) is int and 1 <= count <= MEMBERS_MAX else 0


def _table(value: object) -> Mapping[str, object] | None:
    return value if _is_table(value) else None


def _is_table(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)  # with keys of text: it was made by tomllib


def _sort(value: object) -> str:
    match value:
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a float"
        case str():
            return "a string"
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return "a date or time"


def _step(key: str) -> str:
    return f".{key}" if _PLAIN_KEY.fullmatch(key) else f"[{_shown(key)}]"


def _shown(text: object) -> str:
    return _clipped(ascii(text))


def _clipped(text: str) -> str:
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 3]}..."
