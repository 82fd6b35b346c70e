"""A mob's definition: what is let in, and that every problem is told at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meerkat_actors.errors import DefinitionError
from meerkat_actors.records.ids import parse_identity
from meerkat_actors.records.mob import MEMBERS_MAX, TEXT_BYTES_MAX, MobDefinition, mob_members, parse_mob

TEAM = """
name = "review"

[profiles.lead]
kind = "lead"

[profiles.reviewer]
kind = "reviewer"

[members.lead]
profile = "lead"

[members.reviewer]
profile = "reviewer"
count = 3
"""

REST = 'members.a.profile = "p"\nprofiles.p.kind = "k"\n'


def problems(text: str, kinds: tuple[str, ...] | None = None) -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as caught:
        parse_mob(text, kinds=kinds)
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    return caught.value.problems


def test_a_definition_becomes_records() -> None:
    definition = parse_mob(TEAM)
    assert definition.name == "review"
    assert {name: profile.kind for name, profile in definition.profiles.items()} == {
        "lead": "lead",
        "reviewer": "reviewer",
    }
    assert {name: (entry.profile, entry.count) for name, entry in definition.members.items()} == {
        "lead": ("lead", 1),
        "reviewer": ("reviewer", 3),
    }


def test_one_member_bears_its_plain_name_and_several_are_numbered_from_one() -> None:
    members = mob_members(parse_mob(TEAM))
    assert [(member.identity, member.member, member.kind) for member in members] == [
        ("review/lead", "lead", "lead"),
        ("review/reviewer-1", "reviewer", "reviewer"),
        ("review/reviewer-2", "reviewer", "reviewer"),
        ("review/reviewer-3", "reviewer", "reviewer"),
    ]


def test_the_longest_names_make_valid_identities() -> None:
    mob, member = "m" * 64, "x" * 58
    text = f'name = "{mob}"\nprofiles.p.kind = "k"\nmembers.{member} = {{ profile = "p", count = {MEMBERS_MAX} }}'
    members = mob_members(parse_mob(text))
    assert len({parse_identity(member.identity) for member in members}) == MEMBERS_MAX


def test_every_problem_is_told_at_once_each_with_its_path() -> None:
    found = problems("""
        name = "Review"
        colour = "red"

        [profiles.lead]
        [profiles.reviewer]
        kind = 3
        wit = true

        [members."The Lead"]
        profile = "lead"
        count = "3"

        [members.reviewer]
        profile = "reviwer"
        count = 0

        [members.scout]
        """)
    assert [problem.split(" @ ")[1] for problem in found] == [
        "$.name",
        "$.profiles['lead'].kind",
        "$.profiles['reviewer'].kind",
        "$.profiles['reviewer'].wit",
        "$.members['The Lead'].count",
        "$.members['reviewer'].count",
        "$.members['scout'].profile",
        "$.colour",
        "$.members['The Lead']",
        "$.members['reviewer'].profile",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "required, but missing @ $.name"),
        ("name = 1", "expected a string, got an integer @ $.name"),
        ("name = 1.5", "expected a string, got a float @ $.name"),
        ("name = true", "expected a string, got a boolean @ $.name"),
        ("name = 1979-05-27", "expected a string, got a date or time @ $.name"),
        ("name = ['x']", "expected a string, got an array @ $.name"),
        ("profiles = 3", "expected a table, got an integer @ $.profiles"),
        ("profiles.p = 'x'", "expected a table, got a string @ $.profiles['p']"),
        ("members = []", "expected a table, got an array @ $.members"),
        ("members.a = 3", "expected a table, got an integer @ $.members['a']"),
        ("members.a.count = true", "expected an integer, got a boolean @ $.members['a'].count"),
        ("members.a.count = '3'", "expected an integer, got a string @ $.members['a'].count"),
        ("members.a.count = 3.0", "expected an integer, got a float @ $.members['a'].count"),
        ("members.a.count = 0", "expected 1 to 10000 @ $.members['a'].count"),
        ("members.a.count = 10001", "expected 1 to 10000 @ $.members['a'].count"),
        (f"members.a.count = 0x{'f' * 5000}", "expected 1 to 10000 @ $.members['a'].count"),
        ("members.a.profile = 3", "expected a string, got an integer @ $.members['a'].profile"),
        ("[profiles]\n[members]", "a mob needs at least one member @ $.members"),
        ("[members.a]\nprofile = 'p'\n[profiles]", "no profile 'p'; known: none @ $.members['a'].profile"),
        ("['\u00e9 \\n']", "unknown key; known here: name, profiles, members @ $['\\xe9 \\\\n']"),
        ("wiring = []", "unknown key; known here: name, profiles, members @ $.wiring"),
        ("profiles.p.model = 'x'", "unknown key; known here: kind @ $.profiles['p'].model"),
        ("members.a.role = 'x'", "unknown key; known here: profile, count @ $.members['a'].role"),
    ],
)
def test_nothing_is_converted_or_ignored(text: str, problem: str) -> None:
    assert problem in problems(text)


@pytest.mark.parametrize("name", ["", "Review", "-x", "a/b", "a b", "\u00e9", "x" * 65, "x\\u0000", "../x"])
def test_names_have_one_form(name: str) -> None:
    for text, path in (
        (f'name = "{name}"\n{REST}', "$.name"),
        (f'name = "m"\nmembers.a.profile = "p"\nprofiles.p.kind = "{name}"', "$.profiles['p'].kind"),
    ):
        (problem,) = problems(text)
        assert problem.endswith(f" @ {path}")
    (problem,) = problems(f'name = "m"\n{REST}members."{name}".profile = "p"')
    assert "is no member name" in problem
    (problem,) = problems(f'name = "m"\n{REST}profiles."{name}".kind = "k"')
    assert "is no profile name" in problem


def test_two_members_may_not_stand_for_the_same_agent() -> None:
    (problem,) = problems(f'name = "m"\n{REST}members.b = {{ profile = "p", count = 2 }}\nmembers.b-2.profile = "p"')
    assert problem == "its agent 'b-2' is also one of member 'b' @ $.members['b-2']"


def test_numbers_may_not_make_a_name_too_long() -> None:
    (problem,) = problems(f'name = "m"\n{REST}members.{"b" * 63} = {{ profile = "p", count = 2 }}')
    assert problem.startswith("its numbered names are longer than 64 characters @ ")


def test_a_mob_has_a_bounded_number_of_agents_in_all() -> None:
    text = "".join(f'members.b{number} = {{ profile = "p", count = 9999 }}\n' for number in range(200))
    (problem,) = problems(f'name = "m"\n{REST}{text}')
    assert problem == f"1999801 agents in all, at most {MEMBERS_MAX} @ $.members"


def test_an_unknown_kind_is_told_with_the_known_ones_and_beside_other_problems() -> None:
    assert problems(f'name = "M"\n{REST}', kinds=("reviewer", "lead"))[1:] == (
        "unknown kind 'k'; known: lead, reviewer @ $.profiles['p'].kind",
    )
    assert parse_mob(f'name = "m"\n{REST}', kinds=("k",)) == parse_mob(f'name = "m"\n{REST}')


@pytest.mark.parametrize(
    "text",
    [
        "name = ",
        'name = "a\x00"',
        "name = 'a'\nname = 'b'",
        "x = " + "[" * 100_000,
        "x = " + "{a=" * 100_000,
        "x = " + "9" * 100_000,
        "x" * (TEXT_BYTES_MAX + 1),
        "#" + "\u00e9" * (TEXT_BYTES_MAX // 2),
        ".".join("a" * 100_000) + " = 1",
        "[" + ' . "a"' * 100_000,
        "x = {" + ".".join("a" * 100_000) + " = 1}",
        ",'" * 400_000,
    ],
    ids=lambda text: text[:12].encode().hex(),
)
def test_hostile_text_is_one_problem_and_costs_little(text: str) -> None:
    (problem,) = problems(text)
    assert problem.endswith(" @ $")
    assert len(problem) < 200


def test_keys_of_reasonable_depth_and_dots_in_strings_are_no_deep_keys() -> None:
    found = problems(f'{".".join("a" * 60)} = "{".".join("word" for _ in range(200))}. And so on."')
    assert "unknown key; known here: name, profiles, members @ $.a" in found


def test_a_lone_surrogate_is_a_problem_that_can_be_printed() -> None:
    for text in ("name = '\ud800'", "'\ud800' = 1", "profiles.p.kind = '\ud800'\nmembers.a.profile = '\ud800'"):
        for problem in problems(text, kinds=()):
            problem.encode()


def parsed(text: str) -> MobDefinition | tuple[str, ...]:
    try:
        return parse_mob(text)
    except DefinitionError as error:
        return error.problems


@given(st.text())
def test_any_text_is_a_definition_or_a_list_of_problems(text: str) -> None:
    assert parsed(text)


# Inline TOML, grown as text: what it says matters less than that it may say anything.
VALUES = st.recursive(
    st.sampled_from(["1979-05-27", "true", "-1", "2", "10001", "1.5", "nan", '"p"', "'a b'", '"\\u0000"', "''"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(st.sampled_from(["p", "profile", "kind", "count", "'\u00e9'"]), inner).map(
            lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"
        )
    ),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional={"name": VALUES, "profiles": VALUES, "members": VALUES, "x": VALUES}))
def test_any_document_is_a_definition_or_a_list_of_problems(document: dict[str, str]) -> None:
    definition = parsed("\n".join(f"{key} = {value}" for key, value in document.items()))
    assert definition
    if isinstance(definition, MobDefinition):
        assert all(parse_identity(member.identity) for member in mob_members(definition))
