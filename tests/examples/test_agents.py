"""The two agents on a runtime in memory: what they say, and what they make of other messages."""

from __future__ import annotations

import pytest

import meerkat_actors as meerkat
from meerkat_actors.examples.review.agents import AGENTS, task
from meerkat_actors.examples.review.findings import parse_review

PATIENT = meerkat.Limits(backoff_seconds=0.0)


async def test_a_reviewer_reports_to_the_lead_of_its_own_mob() -> None:
    async with meerkat.open_runtime(agents=AGENTS) as runtime:
        reviewer = await runtime.agent("crew/ann", kind="reviewer")
        lead = await runtime.agent("crew/lead", kind="lead")
        answer = await reviewer.ask(task("a\x1b.py", "0", "import os\n"))
        assert answer.text == "a\\x1b.py: 2 findings"
        await runtime.wait_idle()
        (record,) = [record async for record in lead.inputs()]
        review = parse_review(record.content)
        assert review is not None
        assert (record.sender, review.path, review.digest) == ("crew/ann", "a\x1b.py", "0")
        assert isinstance(record.outcome, meerkat.Consumed)
        assert record.outcome.text == "a\\x1b.py: score 4"


async def test_the_lead_does_right_by_several_reviews_in_one_turn() -> None:
    """They are there before the lead is, so that it finds them all at once."""
    sources = {"a.py": "import os\n", "b.py": '"""Doc."""\n', "c.py": "import os, sys\n"}
    async with meerkat.open_runtime(agents=AGENTS) as runtime:
        for path, source in sources.items():
            reviewer = await runtime.agent(f"crew/{path[0]}", kind="reviewer")
            await reviewer.ask(task(path, path, source))
        lead = await runtime.agent("crew/lead", kind="lead")
        await runtime.wait_idle()
        (receipt,) = [receipt async for receipt in lead.receipts()]
        records = [record async for record in lead.inputs(order="oldest")]
        assert receipt.contributors == tuple(record.input_id for record in records)
        reviews = [parse_review(record.content) for record in records]
        assert [(review.path, review.score) for review in reviews if review] == [("a.py", 4), ("b.py", 0), ("c.py", 6)]
        said = [message.content async for message in lead.history() if message.role == "assistant"]
        assert said == ["a.py: score 4; b.py: score 0; c.py: score 6"]


async def test_the_lead_leaves_aside_what_is_no_review() -> None:
    async with meerkat.open_runtime(agents=AGENTS) as runtime:
        lead = await runtime.agent("crew/lead", kind="lead")
        for content in ("hello", {"path": "a.py"}):
            assert (await lead.ask(content)).text == "no review; left aside"


async def test_a_reviewer_gives_up_on_what_is_no_task() -> None:
    async with meerkat.open_runtime(agents=AGENTS, limits=PATIENT) as runtime:
        reviewer = await runtime.agent("crew/ann", kind="reviewer")
        with pytest.raises(meerkat.TurnAbandonedError, match="a reviewer is sent path, digest and source"):
            await reviewer.ask("hello")
