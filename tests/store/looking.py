"""Everything that a store's readers can see, in a form that two stores, or two moments, can be compared by."""

from __future__ import annotations

from typing import TypeAlias

from attrs import evolve

from meerkat_actors.records.activation import Activation, Broken, IdentityRow
from meerkat_actors.records.ids import AgentIdentity, IdentityKey
from meerkat_actors.records.inputs import InputRow, Mail
from meerkat_actors.store import Store
from tests.store.writing import identity

EVERYTHING = 10_000

Seen: TypeAlias = tuple[Activation | Broken, tuple[Mail, ...], tuple[InputRow, ...], tuple[bytes, ...]]


def picture(store: Store, *names: str) -> tuple[dict[str, Seen], tuple[AgentIdentity, ...], tuple[IdentityRow, ...]]:
    """What a store tells about these names. Keys and sequences, which are a store's own, are blanked."""
    return (
        {name: _seen(store, identity(name)) for name in names},
        store.identities_with_work(),
        store.page_identities(after=None, limit=EVERYTHING),
    )


def _seen(store: Store, name: AgentIdentity) -> Seen:
    found = store.activate(name)
    mail: tuple[Mail, ...] = ()
    if isinstance(found, Activation):
        mail = store.pending_mail(found.key, limit=EVERYTHING)
        found = evolve(found, key=IdentityKey(1))
    return (
        found,
        tuple(evolve(one, sequence=0, sender_key=IdentityKey(1)) for one in mail),
        tuple(
            evolve(row, sequence=0) for row in store.page_inputs(name, after=None, limit=EVERYTHING, newest_first=False)
        ),
        tuple(row.body for row in store.page_turns(name, before=None, limit=EVERYTHING)),
    )
