"""Which of ruff's rules count in a review, how much, and what they mean."""

from __future__ import annotations

from typing import Final

from attrs import frozen


@frozen(kw_only=True)
class Rule:
    """One rule of the analysis."""

    code: str
    weight: int
    """How much one finding counts; one that names its excess counts in proportion."""
    meaning: str
    """For people who read the report."""


SYNTAX: Final = Rule(code="invalid-syntax", weight=20, meaning="ruff cannot parse this")

RULES: Final = (
    Rule(code="C901", weight=8, meaning="too many paths through one function (cyclomatic complexity)"),
    Rule(code="PLR0912", weight=5, meaning="too many branches in one function"),
    Rule(code="PLR0915", weight=5, meaning="function too long"),
    Rule(code="PLR0913", weight=3, meaning="too many parameters"),
    Rule(code="E722", weight=6, meaning="a bare `except` also catches cancellation and Ctrl-C"),
    Rule(code="BLE001", weight=4, meaning="a broad `except` hides errors that nobody foresaw"),
    Rule(code="B006", weight=6, meaning="a mutable default is shared by all calls"),
    Rule(code="F401", weight=2, meaning="imported but unused"),
    Rule(code="D100", weight=2, meaning="public module without a docstring"),
    Rule(code="D101", weight=2, meaning="public class without a docstring"),
    Rule(code="D102", weight=1, meaning="public method without a docstring"),
    Rule(code="D103", weight=1, meaning="public function without a docstring"),
    Rule(code="D104", weight=1, meaning="public package without a docstring"),
)

THRESHOLDS: Final = (
    "lint.mccabe.max-complexity=10",
    "lint.pylint.max-branches=12",
    "lint.pylint.max-statements=50",
    "lint.pylint.max-args=7",
)
"""What a function may have before the first four rules speak."""

BY_CODE: Final = {rule.code: rule for rule in (*RULES, SYNTAX)}
