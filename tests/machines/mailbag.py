"""The mail that waits for one identity, in a dict: what a store guards when it is taken."""

from __future__ import annotations

from attrs import Factory, define

from meerkat_actors.machines.policy import resolve
from meerkat_actors.records.effects import TakeMail
from meerkat_actors.records.headers import Header
from meerkat_actors.records.inputs import InputKind, Lane, Mail


@define
class Mailbag:
    """``sent`` rows, by their sequences."""

    sent: dict[int, Mail] = Factory(dict[int, Mail])
    floor: int = 0
    """Up to this sequence nothing can be taken any more."""

    @property
    def waiting(self) -> tuple[Mail, ...]:
        """What may be taken, in the order of the sequences."""
        return tuple(mail for sequence, mail in sorted(self.sent.items()) if sequence > self.floor)

    def take(self, effect: TakeMail) -> Mail:
        assert effect.sequence > self.floor, "taken from below the floor"
        mail = self.sent.pop(effect.sequence)
        assert mail.sender_key == effect.sender_key
        assert effect.lane is lane_of(mail)
        for older in self.waiting:
            is_ahead = (older.sender_key, lane_of(older)) == (mail.sender_key, effect.lane)
            assert not is_ahead or older.sequence > mail.sequence, "an older letter waits"
        return mail

    def raise_floor(self) -> None:
        """What was sent by now is not taken any more."""
        self.floor = max(self.sent, default=self.floor)


def lane_of(mail: Mail) -> Lane:
    """Where its sender's unit says that it will wait."""
    return lane_of_kind(mail.kind, mail.header)


def lane_of_kind(kind: InputKind, header: Header | None) -> Lane:
    # A silent intent changes whom it wakes, never the lane.
    return resolve(kind, header, is_silent=False).lane
