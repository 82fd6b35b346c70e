"""The conformance suite's pictures of stores, by the names that the tests of stores know them by."""

from __future__ import annotations

from meerkat_actors.testing.conformance.looking import documents as documents
from meerkat_actors.testing.conformance.looking import picture as picture
