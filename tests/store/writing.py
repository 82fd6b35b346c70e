"""The conformance suite's writers, by the names that the tests of stores know them by."""

from __future__ import annotations

from meerkat_actors.testing.conformance.writing import CANCELLED as CANCELLED
from meerkat_actors.testing.conformance.writing import GIVEN_UP as GIVEN_UP
from meerkat_actors.testing.conformance.writing import HELLO as HELLO
from meerkat_actors.testing.conformance.writing import Writer as Writer
from meerkat_actors.testing.conformance.writing import body_of as body_of
from meerkat_actors.testing.conformance.writing import buried as buried
from meerkat_actors.testing.conformance.writing import changed as changed
from meerkat_actors.testing.conformance.writing import charge as charge
from meerkat_actors.testing.conformance.writing import created as created
from meerkat_actors.testing.conformance.writing import digest_of as digest_of
from meerkat_actors.testing.conformance.writing import duplicate as duplicate
from meerkat_actors.testing.conformance.writing import end as end
from meerkat_actors.testing.conformance.writing import identity as identity
from meerkat_actors.testing.conformance.writing import insert as insert
from meerkat_actors.testing.conformance.writing import intent as intent
from meerkat_actors.testing.conformance.writing import key_of as key_of
from meerkat_actors.testing.conformance.writing import new_input_id as new_input_id
from meerkat_actors.testing.conformance.writing import new_run_id as new_run_id
from meerkat_actors.testing.conformance.writing import new_session_id as new_session_id
from meerkat_actors.testing.conformance.writing import noted as noted
from meerkat_actors.testing.conformance.writing import put as put
from meerkat_actors.testing.conformance.writing import read as read
from meerkat_actors.testing.conformance.writing import reason as reason
from meerkat_actors.testing.conformance.writing import resolve as resolve
from meerkat_actors.testing.conformance.writing import send as send
from meerkat_actors.testing.conformance.writing import settle as settle
from meerkat_actors.testing.conformance.writing import stage as stage
from meerkat_actors.testing.conformance.writing import step as step
from meerkat_actors.testing.conformance.writing import supersede as supersede
from meerkat_actors.testing.conformance.writing import take as take
from meerkat_actors.testing.conformance.writing import unborn as unborn
from meerkat_actors.testing.conformance.writing import unstage as unstage
from meerkat_actors.testing.conformance.writing import uuid_of as uuid_of
