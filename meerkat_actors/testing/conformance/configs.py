"""Configurations: versions of an opaque document, of which the highest holds."""

from __future__ import annotations

from meerkat_actors.records.activation import Activation
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.commits import RefusalReason
from meerkat_actors.records.effects import CreateIdentity, SetConfig
from meerkat_actors.store import Store
from meerkat_actors.testing.conformance.checking import check
from meerkat_actors.testing.conformance.writing import created, identity, insert, new_session_id, reason, unborn


def config_of(store: Store, name: str) -> AgentConfig | None:
    found = store.activate(identity(name))
    assert isinstance(found, Activation)
    return found.config


@check
def an_identity_that_was_given_no_configuration_has_none(store: Store) -> None:
    """``Activation.config`` is None, for an identity that exists and for one that doesn't."""
    assert config_of(store, "nobody") is None
    created(store, "alice")
    assert config_of(store, "alice") is None


@check
def a_configuration_commits_with_the_creation(store: Store) -> None:
    """The unit that creates an identity may configure it, too."""
    alice = unborn(store, "alice")
    alice.must_commit(CreateIdentity("worker", new_session_id()), SetConfig(1, b'{"a":1}'))
    assert config_of(store, "alice") == AgentConfig(1, b'{"a":1}')


@check
def the_highest_version_holds_and_others_keep_theirs(store: Store) -> None:
    """An identity's configuration is its own one of the highest version."""
    alice, bob = created(store, "alice"), created(store, "bob")
    alice.must_commit(SetConfig(1, b"1"), SetConfig(2, b"2"))
    bob.must_commit(SetConfig(1, b"7"))
    alice.must_commit(alice.boundary(), SetConfig(3, b"3"))
    assert config_of(store, "alice") == AgentConfig(3, b"3")
    assert config_of(store, "bob") == AgentConfig(1, b"7")


@check
def a_version_is_given_once(store: Store) -> None:
    """A version that is taken is refused as ``revision_conflict``, with everything else in its unit."""
    alice = created(store, "alice")
    alice.must_commit(SetConfig(1, b"1"))
    assert reason(alice.commit(SetConfig(1, b"other"))) is RefusalReason.REVISION_CONFLICT
    assert reason(alice.commit(insert(1), SetConfig(1, b"other"))) is RefusalReason.REVISION_CONFLICT
    assert config_of(store, "alice") == AgentConfig(1, b"1")
    assert store.page_inputs(identity("alice"), after=None, limit=9, newest_first=True) == ()


@check
def a_stale_owner_configures_nothing(store: Store) -> None:
    """A configuration is written under the fence, as everything is."""
    alice = created(store, "alice")
    successor, claim = alice.claiming()
    successor.must_commit(claim)
    assert reason(alice.commit(SetConfig(1, b"1"))) is RefusalReason.STALE_FENCING_TOKEN
    assert reason(unborn(store, "nobody").commit(SetConfig(1, b"1"))) is RefusalReason.NOT_FOUND
    assert config_of(store, "alice") is None
