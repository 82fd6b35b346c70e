"""How a kind keeps one value of its agents, its config or its state: as which type, and in which version.

Rule 1: version 1 is stored as it is; any later one as ``{"meerkat.version": n, "value": ...}``.
Rule 2: a value of version 1 that begins as such an envelope does is stored in one, too: so whatever begins like
        that is one.
Rule 3: an older value is handed to the user's ``upcast`` whenever it is read; it is stored anew only when it is set.
Rule 4: a newer one is not read at all: what it means, only a later release knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from attrs import Factory, field, frozen

from meerkat_actors.actors.turn.telling import described
from meerkat_actors.errors import InvalidValueError, UsageError
from meerkat_actors.records.codec import decode_json, encode_json
from meerkat_actors.records.content import JSON
from meerkat_actors.records.ids import is_counter, shown
from meerkat_actors.records.typed import check_type, from_json, to_json

Upcast = Callable[[int, JSON], JSON]
"""Given the version that a value is stored in, and the value as stored: the value in today's version."""

_BEGINNING: Final = b'{"meerkat.version":'
_ENVELOPE: Final = re.compile(rb'\{"meerkat\.version":([1-9][0-9]*),"value":')
_UPCAST_BYTES_MAX: Final = 2**30
"""What a row holds; a value that is only read is bound by nothing less."""
_UPCAST_DEPTH_MAX: Final = 250
"""Where our own parser gives up."""


@frozen(kw_only=True)
class StoredForm:
    """The form of one value that a kind keeps for each of its agents."""

    what: str
    """What messages call it."""
    as_type: type[Any] | None
    """Its attrs class; None for a JSON value."""
    version: int
    """From 1."""
    upcast: Upcast | None
    _stored: str = field(
        init=False, repr=False, default=Factory(lambda self: f"the stored {self.what}", takes_self=True)
    )

    def __attrs_post_init__(self) -> None:
        """Refuse what could only fail later, in a turn."""
        check_type(self.as_type, what=self.what)
        if not is_counter(self.version) or self.version < 1:
            raise UsageError(problem=f"{self.what}_version={shown(self.version)}: use an int from 1 up")
        upcast: object = self.upcast
        if upcast is not None and not callable(upcast):
            raise UsageError(
                problem=f"upcast_{self.what}={shown(upcast)}: use a function of a stored version and a JSON value"
            )

    def write(self, value: object, *, bytes_max: int, depth_max: int) -> bytes:
        """The canonical bytes to store.

        Raises:
            InvalidValueError: not a JSON value, or no instance of the class, or too big.
        """
        plain = to_json(value, self.as_type, what=self.what)
        encoded = encode_json(plain, what=self.what, bytes_max=bytes_max, depth_max=depth_max)
        if self.version == 1 and _enveloped(encoded) is None:
            return encoded
        return b'{"meerkat.version":%d,"value":%b}' % (self.version, encoded)

    def read(self, encoded: bytes | None) -> Any:  # noqa: ANN401 - an instance of as_type
        """A fresh value of what is stored; None for nothing.

        Raises:
            InvalidValueError: it is of a later version, or it can't be brought to this one, or doesn't fit the class.
        """
        return None if encoded is None else from_json(self._of_today(encoded), self.as_type, what=self._stored)

    def check(self, encoded: bytes | None) -> None:
        """Refuse what is stored if it could not be read.

        Raises:
            InvalidValueError: as ``read`` does.
        """
        if encoded is None:
            return
        value = self._of_today(encoded)
        if self.as_type is not None:  # else any JSON will do
            from_json(value, self.as_type, what=self._stored)

    def _of_today(self, encoded: bytes) -> bytes:
        """The canonical value in today's version."""
        version, value = 1, encoded
        envelope = _enveloped(encoded)
        if envelope is not None:
            version, value = int(envelope[1]), encoded[envelope.end() : -1]
        if version > self.version:
            problem = f"{self._stored} is of version {version}, and this release knows {self.version}: run a later one"
            raise InvalidValueError(problem=problem)
        if version == self.version:
            return value
        brought = self._upcast(version, decode_json(value))
        return encode_json(brought, what=self._stored, bytes_max=_UPCAST_BYTES_MAX, depth_max=_UPCAST_DEPTH_MAX)

    def _upcast(self, version: int, value: JSON) -> JSON:
        if self.upcast is None:
            problem = f"{self._stored} is of version {version}, not {self.version}: give the kind an upcast_{self.what}"
            raise InvalidValueError(problem=problem)
        try:
            return self.upcast(version, value)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the user's code, where no schedule point could be cancelled
            problem = f"{self._stored}: upcast_{self.what} failed on version {version}: {described(error)}"
            raise InvalidValueError(problem=problem) from error  # noqa: ASYNC104 - as above


def _enveloped(encoded: bytes) -> re.Match[bytes] | None:
    # Nearly nothing is: looking at its beginning takes a third of the expression's time.
    return _ENVELOPE.match(encoded) if encoded.startswith(_BEGINNING) else None
