"""Configurations: versions of an opaque document, of which the highest holds."""

from __future__ import annotations

from meerkat_actors.records.activation import Activation
from meerkat_actors.records.agent_config import AgentConfig
from meerkat_actors.records.commits import RefusalReason
from meerkat_actors.records.effects import CreateIdentity, SetConfig
from meerkat_actors.store import Store
from tests.store.writing import Writer, created, identity, insert, new_session_id, reason, unborn


def config_of(store: Store, name: str) -> AgentConfig | None:
    found = store.activate(identity(name))
    assert isinstance(found, Activation)
    return found.config


def test_an_identity_that_was_given_no_configuration_has_none(store: Store) -> None:
    assert config_of(store, "nobody") is None
    created(store, "alice")
    assert config_of(store, "alice") is None


def test_a_configuration_commits_with_the_creation(store: Store) -> None:
    alice = unborn(store, "alice")
    alice.must_commit(CreateIdentity("worker", new_session_id()), SetConfig(1, b'{"a":1}'))
    assert config_of(store, "alice") == AgentConfig(1, b'{"a":1}')


def test_the_highest_version_holds_and_others_keep_theirs(store: Store) -> None:
    alice, bob = created(store, "alice"), created(store, "bob")
    alice.must_commit(SetConfig(1, b"1"), SetConfig(2, b"2"))
    bob.must_commit(SetConfig(1, b"7"))
    alice.must_commit(alice.boundary(), SetConfig(3, b"3"))
    assert config_of(store, "alice") == AgentConfig(3, b"3")
    assert config_of(store, "bob") == AgentConfig(1, b"7")


def test_a_version_is_given_once(store: Store) -> None:
    alice = created(store, "alice")
    alice.must_commit(SetConfig(1, b"1"))
    assert reason(alice.commit(SetConfig(1, b"other"))) is RefusalReason.REVISION_CONFLICT
    assert reason(alice.commit(insert(1), SetConfig(1, b"other"))) is RefusalReason.REVISION_CONFLICT
    assert config_of(store, "alice") == AgentConfig(1, b"1")
    assert store.page_inputs(identity("alice"), after=None, limit=9, newest_first=True) == ()


def test_a_stale_owner_configures_nothing(store: Store) -> None:
    alice = created(store, "alice")
    successor, claim = alice.claiming()
    successor.must_commit(claim)
    assert reason(alice.commit(SetConfig(1, b"1"))) is RefusalReason.STALE_FENCING_TOKEN
    assert reason(_without_head(store).commit(SetConfig(1, b"1"))) is RefusalReason.NOT_FOUND
    assert config_of(store, "alice") is None


def _without_head(store: Store) -> Writer:
    return unborn(store, "nobody")
