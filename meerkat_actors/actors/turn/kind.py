"""What a kind of agent is: its function, the types of what it keeps, and what it is lent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from attrs import Factory, field, frozen

from meerkat_actors.errors import UsageError
from meerkat_actors.records.typed import check_type, from_json

if TYPE_CHECKING:
    from meerkat_actors.actors.turn.turn import Turn

AgentFunction = Callable[["Turn"], Awaitable[str | None]] | Callable[["Turn"], str | None]
"""An agent: an async function of one turn, or a plain one, which runs in a thread.

What it returns goes into the transcript.
"""


@frozen
class AgentKind:
    """A kind of agent, for ``open_runtime(agents={name: AgentKind(...)})``."""

    fn: AgentFunction
    config: type[Any] | None = field(default=None, kw_only=True)
    """The attrs class of ``turn.config``; None for a JSON value."""
    state: type[Any] | None = field(default=None, kw_only=True)
    """The attrs class of ``turn.state``; None for a JSON value."""
    resources: Any = field(default=None, kw_only=True)
    """The embedder's live objects, as ``turn.resources``: never stored, shared by all turns of the kind."""

    is_async: bool = field(
        init=False, repr=False, default=Factory(lambda self: is_async_function(self.fn), takes_self=True)
    )
    """Whether the function runs on the event loop; else in a thread."""

    def __attrs_post_init__(self) -> None:
        """Refuse what could only fail later, in a turn."""
        fn: object = self.fn
        if not callable(fn) or fn is AgentKind:
            raise UsageError(problem=f"{self.fn!r} is no function of one Turn")
        check_type(self.config, what="config")
        check_type(self.state, what="state")

    def check_readable(self, config: bytes | None, state: bytes | None) -> None:
        """Refuse what is stored if a turn could not read it; to be done before work is taken from a queue.

        Raises:
            InvalidValueError: it doesn't fit the types of today.
        """
        if self.config is not None:
            from_json(config, self.config, what="the stored config")
        if self.state is not None:
            from_json(state, self.state, what="the stored state")


def is_async_function(fn: object) -> bool:
    """Whether calling ``fn`` gives a coroutine: an async function, or an object with an async call."""
    return iscoroutinefunction(fn) or iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004


def kind_of(agent: AgentFunction | AgentKind) -> AgentKind:
    """The kind that ``agents`` means by a function or by a kind.

    Raises:
        UsageError: neither.
    """
    return agent if isinstance(agent, AgentKind) else AgentKind(agent)
