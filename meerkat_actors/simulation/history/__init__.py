"""What clients were told, held against what the store says: the invariants that no database shows by itself.

Reference: ``reference/reliability.md``, section 4, whose numbers the checks name. Each violation names the agent, the
input, and the virtual times of the call. What a store can be held to by itself is in ``simulation/checks``; where each
of the numbers is looked for, ``tests/invariants/places.py`` says, and its test that it is so.
"""

from __future__ import annotations

from typing import Final

from meerkat_actors.simulation.history import answers, damage, ends, order
from meerkat_actors.simulation.history.answers import text_of as text_of
from meerkat_actors.simulation.history.evidence import evidence_of as evidence_of

CHECKS: Final = (
    answers.check_what_was_acknowledged_is_there,
    answers.check_contents_are_those_that_were_asked,
    answers.check_what_was_refused_left_nothing,
    answers.check_texts_are_those_of_the_turns,
    answers.check_boundaries_are_those_that_were_told,
    answers.check_nothing_is_there_that_nobody_asked_for,
    answers.check_every_call_was_answered_once,
    order.check_later_calls_have_later_versions,
    order.check_later_calls_have_later_places,
    order.check_no_former_owner_answers,
    order.check_nothing_went_back,
    ends.check_everything_ended,
    ends.check_backlogs_stay_within_their_bound,
    damage.check_the_file_is_sound,
)
"""Those that hold for every scenario."""
