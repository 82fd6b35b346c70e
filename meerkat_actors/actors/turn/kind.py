"""What a kind of agent is: its function, the types of what it keeps, and what it is lent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from attrs import Factory, field, frozen

from meerkat_actors.actors.turn.stored_form import StoredForm, Upcast
from meerkat_actors.errors import UsageError
from meerkat_actors.records.ids import shown
from meerkat_actors.records.limits import Limits

if TYPE_CHECKING:
    from meerkat_actors.actors.turn.turn import Turn

AgentFunction = Callable[["Turn"], Awaitable[str | None]] | Callable[["Turn"], str | None]
"""An agent: an async function of one turn, or a plain one, which runs in a thread.

What it returns goes into the transcript.
"""


def _intents(given: Iterable[str]) -> frozenset[str]:
    # A text is iterable, too, and would be taken for the intents of its letters.
    if isinstance(given, str) or not hasattr(given, "__iter__"):
        raise UsageError(problem=f"silent_intents={shown(given)}: use a collection of texts")
    found = frozenset(given)  # once: it may be a generator
    if not all(type(intent) is str for intent in found):
        raise UsageError(problem="silent_intents: an intent is a text")
    return found


@frozen
class AgentKind:
    """A kind of agent, for ``open_runtime(agents={name: AgentKind(...)})``.

    A release that changes what a config or a state means raises its version, and says with an upcaster how an older
    one is read: it is called with the stored version, and the value as stored, whenever that is read; several
    versions back, the chain is its own. What can't be read costs no input anything: the agent is quarantined, and
    goes on with a release that reads it.
    """

    fn: AgentFunction
    config: type[Any] | None = field(default=None, kw_only=True)
    """The attrs class of ``turn.config``; None for a JSON value."""
    state: type[Any] | None = field(default=None, kw_only=True)
    """The attrs class of ``turn.state``; None for a JSON value."""
    resources: Any = field(default=None, kw_only=True)
    """The embedder's live objects, as ``turn.resources``: never stored, shared by all turns of the kind."""
    config_version: int = field(default=1, kw_only=True)
    """Which form of config this is. From 1, which is also that of kinds that never said."""
    state_version: int = field(default=1, kw_only=True)
    """Which form of state this is. From 1, which is also that of kinds that never said."""
    upcast_config: Upcast | None = field(default=None, kw_only=True)
    """Brings the JSON of an older config to this version; None when there is no older one."""
    upcast_state: Upcast | None = field(default=None, kw_only=True)
    """Brings the JSON of an older state to this version; None when there is no older one."""

    silent_intents: frozenset[str] = field(default=frozenset(), kw_only=True, converter=_intents)
    """Requests of these intents are taken up with whatever comes next, and wake no agent by themselves."""

    is_async: bool = field(
        init=False, repr=False, default=Factory(lambda self: is_async_function(self.fn), takes_self=True)
    )
    """Whether the function runs on the event loop; else in a thread."""
    config_form: StoredForm = field(
        init=False,
        repr=False,
        default=Factory(
            lambda self: StoredForm(
                what="config", as_type=self.config, version=self.config_version, upcast=self.upcast_config
            ),
            takes_self=True,
        ),
    )
    """How configs are stored and read."""
    state_form: StoredForm = field(
        init=False,
        repr=False,
        default=Factory(
            lambda self: StoredForm(
                what="state", as_type=self.state, version=self.state_version, upcast=self.upcast_state
            ),
            takes_self=True,
        ),
    )
    """How states are stored and read."""

    def __attrs_post_init__(self) -> None:
        """Refuse what could only fail later, in a turn."""
        fn: object = self.fn
        if not callable(fn) or fn is AgentKind:
            raise UsageError(problem=f"{self.fn!r} is no function of one Turn")

    def encode_config(self, config: object, limits: Limits) -> bytes:
        """What to store of a config.

        Raises:
            InvalidValueError: not a JSON value, or no instance of the kind's ``config`` class, or too big.
        """
        return self.config_form.write(config, bytes_max=limits.content_bytes_max, depth_max=limits.json_depth_max)

    def check_readable(self, config: bytes | None, state: bytes | None) -> None:
        """Refuse what is stored if a turn could not read it; to be done before work is taken from a queue.

        Raises:
            InvalidValueError: it doesn't fit the types of today, or is of a later version, or can't be upcast.
        """
        self.config_form.check(config)
        self.state_form.check(state)


def is_async_function(fn: object) -> bool:
    """Whether calling ``fn`` gives a coroutine: an async function, or an object with an async call."""
    return iscoroutinefunction(fn) or iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004


def kind_of(agent: AgentFunction | AgentKind) -> AgentKind:
    """The kind that ``agents`` means by a function or by a kind.

    Raises:
        UsageError: neither.
    """
    return agent if isinstance(agent, AgentKind) else AgentKind(agent)
