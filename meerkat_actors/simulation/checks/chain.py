"""The chain of digests: I11's other half, and number 6 of ``reference/reliability.md``, section 4."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import orjson

from meerkat_actors.records.codec import DIGEST_ZERO, extend_chain
from meerkat_actors.simulation.checks.contents import Contents

_SORTED: Final = orjson.OPT_SORT_KEYS


def unchained(contents: Contents) -> Iterator[str]:
    """Each boundary's digest is made of its messages and the digest before it; each generation begins anew.

    Of a facade's boundaries only the caller knows what their digests are made of.
    """
    for head in contents.agents:
        before, generation = DIGEST_ZERO, -1
        for turn in contents.turns_of.get(head.key, ()):
            before = before if turn.generation == generation else DIGEST_ZERO
            entries = tuple(orjson.dumps(entry, option=_SORTED) for entry in orjson.loads(turn.body)["log"])
            if extend_chain(before, entries) != turn.digest:
                yield f"{head.name}: the messages of boundary {turn.version} don't make its digest"
            before, generation = turn.digest, turn.generation
