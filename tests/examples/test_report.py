"""The report: what it says, that it depends on its reviews alone, and that nothing in it escapes."""

from __future__ import annotations

import random
import re

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from meerkat_actors.examples.review.findings import Analysis, Finding, Review
from meerkat_actors.examples.review.folder import BrokenFile
from meerkat_actors.examples.review.report import Reviewed, compose_report


def review(path: str, *findings: tuple[int, str, str, int], omitted: int = 0) -> Review:
    found = tuple(
        Finding(line=line, rule=rule, message=message, weight=weight) for line, rule, message, weight in findings
    )
    return Review(path=path, digest="0", analysis=Analysis(version="ruff-1", findings=found, omitted=omitted))


def page(*reviews: Review, missing: tuple[str, ...] = (), broken: tuple[BrokenFile, ...] = ()) -> str:
    return compose_report(Reviewed(folder="src", version="ruff-1", reviews=reviews, missing=missing, broken=broken))


UNUSED = (1, "F401", "`os` imported but unused", 2)
COMPLEX = (7, "C901", "`f` is too complex (20 > 10)", 16)


def test_the_worst_file_comes_first_and_ties_go_by_path() -> None:
    text = page(review("b.py", UNUSED), review("clean.py"), review("c.py", UNUSED, COMPLEX), review("a.py", UNUSED))
    assert [line for line in text.splitlines() if line.startswith("### ")] == ["### `c.py`", "### `a.py`", "### `b.py`"]
    assert (
        text
        == """\
# Review of `src`

4 files reviewed, 4 findings in 3 files; 1 without any.

Analysed with `ruff-1`. A file's score is the sum of the weights of its findings; the worst come first.

## Findings by rule

| Rule | Meaning | Findings | Files | Weight |
|:--|:--|--:|--:|--:|
| C901 | too many paths through one function (cyclomatic complexity) | 1 | 1 | 16 |
| F401 | imported but unused | 3 | 3 | 6 |

## Worst files

| | File | Score | Findings | Most of it |
|--:|:--|--:|--:|:--|
| 1 | `c.py` | 18 | 2 | too many paths through one function (cyclomatic complexity) |
| 2 | `a.py` | 2 | 1 | imported but unused |
| 3 | `b.py` | 2 | 1 | imported but unused |

## Findings by file

### `c.py`

Score 18, 2 findings.

- line 1: `os` imported but unused (F401, 2)
- line 7: `f` is too complex (20 > 10) (C901, 16)

### `a.py`

Score 2, 1 finding.

- line 1: `os` imported but unused (F401, 2)

### `b.py`

Score 2, 1 finding.

- line 1: `os` imported but unused (F401, 2)
"""
    )


def test_a_clean_folder_has_a_short_report() -> None:
    assert page(review("a.py")) == (
        "# Review of `src`\n\n1 file reviewed, 0 findings in 0 files; 1 without any.\n\n"
        "Analysed with `ruff-1`. A file's score is the sum of the weights of its findings; the worst come first.\n"
    )


def test_files_without_a_review_are_named() -> None:
    text = page(
        review("a.py", omitted=3),
        missing=("z.py", "b.py"),
        broken=(
            BrokenFile(path="x.py", line=3, problem="does not parse: '[' was never closed; mend it"),
            BrokenFile(path="y.py", line=None, problem="does not decode"),
        ),
    )
    assert "No review of these reached the lead:\n\n- `b.py`\n- `z.py`\n" in text
    assert "- `x.py`, line 3: does not parse: '\\[' was never closed; mend it\n- `y.py`: does not decode\n" in text


def test_findings_that_did_not_travel_are_counted() -> None:
    text = page(review("a.py", UNUSED, omitted=3))
    assert "Score 2, 4 findings.\n\n- line 1: `os` imported but unused (F401, 2)\n- and 3 more\n" in text


def test_only_the_worst_are_in_the_table_of_the_worst() -> None:
    text = page(*(review(f"{number:02}.py", UNUSED) for number in range(30)))
    assert "| 10 | `09.py` |" in text
    assert "| 11 |" not in text
    assert "### `29.py`" in text


TEXTS = st.text(st.sampled_from("ab`|\\*_[]<>()\n\r\t\x00\x1b\u2028\u202e\ud800&~#-! "), max_size=12)
REVIEWS = st.builds(
    review,
    TEXTS,
    st.tuples(st.integers(1, 99), st.sampled_from(["F401", "C901", "X|1"]), TEXTS, st.integers(0, 50)),
    st.tuples(st.integers(1, 99), st.sampled_from(["F401", "C901"]), TEXTS, st.integers(0, 50)),
)


@given(st.lists(REVIEWS, max_size=5, unique_by=lambda it: it.path), st.randoms(use_true_random=False))
def test_the_order_in_which_reviews_came_leaves_no_trace(reviews: list[Review], chance: random.Random) -> None:
    shuffled = list(reviews)
    chance.shuffle(shuffled)
    assert page(*shuffled) == page(*reviews)


@given(TEXTS, TEXTS, TEXTS)
def test_no_text_of_the_sources_changes_the_page_around_it(path: str, message: str, problem: str) -> None:
    def shape(text: str) -> list[tuple[str, str]]:
        # Everything but the text of paragraphs, cells and code spans.
        kinds: list[tuple[str, str]] = []
        for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text):
            kinds.append((token.type, token.tag))
            inner = {child.type for child in token.children or ()} - {"text", "code_inline", "text_special"}
            kinds += sorted((kind, "") for kind in inner)
        return kinds

    def told(path: str, message: str, problem: str) -> str:
        broken = (BrokenFile(path=path, line=None, problem=problem),)
        return page(review(path, (1, "F401", message, 2)), missing=(path,), broken=broken)

    hostile, tame = told(path, message, problem), told("a.py", "word", "word")
    assert shape(hostile) == shape(tame)
    assert all(line.isprintable() for line in hostile.split("\n"))
    assert re.fullmatch(r"[\x20-\x7e\n]*", hostile)
