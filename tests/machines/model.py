"""What anyone may expect of one identity: inputs in order, each with one outcome, requests each with one answer."""

from __future__ import annotations

from attrs import Factory, define

from meerkat_actors.machines.lap import Decision
from meerkat_actors.records.commands import Command, TakePending
from meerkat_actors.records.effects import InsertInput, TakeMail
from meerkat_actors.records.headers import Header
from meerkat_actors.records.ids import InputId
from meerkat_actors.records.inputs import InputKind
from meerkat_actors.records.outcomes import Admission, Outcome
from tests.machines.agenda_laws import answers_of, responses_of
from tests.machines.laws import outcomes_of
from tests.machines.states import effects_of


@define
class Model:
    """Follows every decision that was committed."""

    admitted: list[InputId] = Factory(list[InputId])
    outcomes: dict[InputId, Outcome] = Factory(dict[InputId, Outcome])
    asked: dict[InputId, str | None] = Factory(dict[InputId, str | None])
    """The requests that were taken from agents, with their correlation ids."""
    answered: dict[InputId, Header] = Factory(dict[InputId, Header])

    def follow(self, decision: Decision, commands: list[Command]) -> None:
        """A decision was committed."""
        self._admit(decision, commands)
        for reply in decision.replies:
            if isinstance(reply, Admission):
                assert self.admitted[reply.admission_sequence - 1] == reply.input_id
        for input_id, outcome in outcomes_of(decision).items():
            assert input_id in self.admitted
            assert input_id not in self.outcomes, "a second outcome"
            self.outcomes[input_id] = outcome
        assert decision.state.admissions == len(self.admitted)
        assert sum(1 for _ in self.open) == decision.state.backlog
        self._hear(decision)

    @property
    def open(self) -> list[InputId]:
        return [input_id for input_id in self.admitted if input_id not in self.outcomes]

    def _admit(self, decision: Decision, commands: list[Command]) -> None:
        arriving = (mail for command in commands if isinstance(command, TakePending) for mail in command.mail)
        mail = {each.sequence: each for each in arriving}
        for effect in effects_of(decision):
            if isinstance(effect, InsertInput | TakeMail):
                came = effect if isinstance(effect, InsertInput) else mail[effect.sequence]
                self.admitted.append(came.input_id)
                assert effect.admission == len(self.admitted)
            if isinstance(effect, TakeMail) and mail[effect.sequence].kind is InputKind.PEER_REQUEST:
                header = mail[effect.sequence].header
                self.asked[mail[effect.sequence].input_id] = None if header is None else header.correlation_id

    def _hear(self, decision: Decision) -> None:
        for _, header in responses_of(decision):
            assert header.request_id in self.asked
            assert header.request_id not in self.answered, "said after the answer"
        for _, header in answers_of(decision):
            assert header.request_id is not None
            assert header.correlation_id == self.asked[header.request_id]
            self.answered[header.request_id] = header
        assert {*self.asked} - {*self.open, *decision.state.owed} == {*self.answered}
