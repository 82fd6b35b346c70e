"""The verdict, from rows and from what turns said of themselves: each message once or ended for a reason, in order."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

from attrs import Factory, define

from meerkat_actors.machines.admission import PROGRESS
from meerkat_actors.records.codec import decode_consumed
from meerkat_actors.records.endings import outcome_of
from meerkat_actors.records.headers import ResponseStatus
from meerkat_actors.records.ids import AgentIdentity, InputId, RunId
from meerkat_actors.records.inputs import InputRow, InputState
from meerkat_actors.records.kinds import InputKind
from meerkat_actors.records.outcomes import Consumed, Outcome, ReceiptOutcome
from meerkat_actors.store import Store
from tests.histories.ledger import ALL
from tests.mailing.agents import Said, parse_said
from tests.mailing.book import Book, Sent
from tests.mailing.moves import ABSENT, NAMES
from tests.mailing.reasons import explain
from tests.mailing.world import MailWorld


@define(eq=False)
class Verdict:
    """What became of everything, looked up once."""

    world: MailWorld
    store: Store
    said: dict[RunId, Said] = Factory(dict[RunId, Said])
    """What the turns that had their boundary say."""
    agent_of: dict[RunId, AgentIdentity] = Factory(dict[RunId, AgentIdentity])
    seen: dict[InputId, tuple[AgentIdentity, int]] = Factory(dict[InputId, tuple[AgentIdentity, int]])
    """By whom an input was consumed, and when: a number that grows with the agent's turns and their inputs."""
    rows: dict[InputId, InputRow] = Factory(dict[InputId, InputRow])
    endings: Counter[str] = Factory(Counter[str])
    """How mail ended, for the tally."""

    @property
    def book(self) -> Book:
        """What the store was told."""
        return self.world.book

    def require(self, condition: object, kind: str, detail: object = "") -> None:
        """Complain unless it holds."""
        self.book.outside.require(condition, kind, detail)


def judge(world: MailWorld) -> Verdict:
    """Complain of whatever is not as it should be."""
    store = world.sides[0].processes.store
    assert store is not None
    verdict = Verdict(world, store.inner)
    for name in NAMES:
        _read_turns(verdict, AgentIdentity(name))
    for name in NAMES:
        _check_admitted(verdict, AgentIdentity(name))
    for sent in verdict.book.sent.values():
        _check_mail(verdict, sent)
    for run_id, said in verdict.said.items():
        _check_boundary(verdict, run_id, said)
    _check_requests(verdict)
    verdict.require(not any(verdict.book.waiting.values()), "mail that nobody takes", verdict.book.waiting)
    return verdict


def _read_turns(verdict: Verdict, identity: AgentIdentity) -> None:
    place = 0
    for row in reversed(verdict.store.page_turns(identity, before=None, limit=ALL)):
        consumed = decode_consumed(row)
        if consumed.receipt.outcome is not ReceiptOutcome.COMPLETED:
            continue
        assert consumed.text is not None
        said = parse_said(consumed.text)
        verdict.require(said.seen == consumed.receipt.contributors, "a receipt of something else", consumed)
        verdict.said[row.run_id], verdict.agent_of[row.run_id] = said, identity
        for input_id in said.seen:
            place += 1
            verdict.require(input_id not in verdict.seen, "an input was seen twice", f"{identity}: {input_id}")
            verdict.seen[input_id] = identity, place


def _check_admitted(verdict: Verdict, identity: AgentIdentity) -> None:
    """All that was admitted has ended; what agents sent is in the order in which each sent it, for each lane."""
    rows = verdict.store.page_inputs(identity, after=None, limit=ALL, newest_first=False)
    numbers = [row.admission for row in rows]
    verdict.require(numbers == list(range(1, len(rows) + 1)), "an admission number was left out", identity)
    lines: defaultdict[tuple[str, int], list[tuple[Sent, InputRow]]] = defaultdict(list)
    for row in rows:
        verdict.rows[row.input_id] = row
        sent = verdict.book.sent.get(row.input_id)
        verdict.require(row.sender is None or sent is not None, "mail that nobody sent", row)
        _check_end(verdict, identity, row, sent)
        if sent is not None and sent.sender is not None:
            verdict.require(row.sender == sent.sender, "mail of somebody else", row)
            verdict.require(row.lane == sent.lane, "mail in another lane", row)
            lines[sent.sender, sent.lane].append((sent, row))
    for line in lines.values():
        _check_order(verdict, identity, line)


def _check_end(verdict: Verdict, identity: AgentIdentity, row: InputRow, sent: Sent | None) -> None:
    outcome = outcome_of(row)
    if outcome is None:
        verdict.require(False, "an input without an end", f"{identity}: {row}")
        return
    found = verdict.seen.get(row.input_id)
    is_seen = found is not None and found[0] == identity
    verdict.require(
        isinstance(outcome, Consumed) == is_seen, "an input was consumed unseen, or seen and not", f"{row}: {found}"
    )
    problem = explain(verdict.world, identity, row, outcome, sent)
    verdict.require(problem is None, "an end for no reason", f"{problem}: {identity}: {row}")


def _check_mail(verdict: Verdict, sent: Sent) -> None:
    """Mail was admitted, which is looked at there, or returned."""
    row = verdict.rows.get(sent.input_id) or verdict.store.find_input(sent.recipient, sent.input_id)
    if row is None:
        verdict.require(False, "mail lost", sent)
        return
    verdict.endings[_ending(outcome_of(row))] += 1
    if row.admission is None:
        verdict.require(row.state is InputState.ABANDONED, "mail that nobody takes", sent)
        _check_end(verdict, sent.recipient, row, sent)
    else:
        is_there = verdict.rows.get(sent.input_id) is not None
        verdict.require(is_there, "mail in no admission", sent)
        verdict.require(sent.recipient not in ABSENT, "mail was taken by nobody", sent)
        verdict.require(sent.input_id not in verdict.book.floored, "mail from below the floor was taken", sent)


def _check_order(verdict: Verdict, identity: AgentIdentity, line: list[tuple[Sent, InputRow]]) -> None:
    """``line``: what one sender sent to one lane, in the order of admissions."""
    for (earlier, _), (later, row) in pairwise(line):
        verdict.require(earlier.number < later.number, "mail was taken out of order", f"{identity}: {row}")
    consumed = [(verdict.seen[row.input_id][1], row) for _, row in line if row.input_id in verdict.seen]
    highest = 0
    for place, row in consumed:
        # A checkpoint binds what steers to its run, and goes with that through its attempts: later mail is not held.
        is_bound = (identity, row.admission) in verdict.book.bound
        verdict.require(place > highest or is_bound, "mail was worked on out of order", f"{identity}: {row}")
        highest = max(highest, place)


def _check_boundary(verdict: Verdict, run_id: RunId, said: Said) -> None:
    """What a turn says that it sent was sent, in its order, but for answers to what had its answer."""
    book = verdict.book
    sent = book.boundaries.get(run_id, [])
    told = f"{verdict.agent_of[run_id]}: {run_id}"
    mine = set(said.sent)
    found = [input_id for input_id in sent if input_id in mine]
    verdict.require(found == [each for each in said.sent if each in book.sent], "sent out of order", told)
    unsent = [each for each in said.sent if each not in book.sent]
    # Only a response may be held back; which one it was nobody knows any more, so they are counted by its requests.
    stopped = (
        verdict.world.asked[verdict.agent_of[run_id], "stop"] + verdict.world.asked[verdict.agent_of[run_id], "retire"]
    )
    verdict.require(not unsent or stopped, "a message was not sent", f"{told}: {unsent}")
    others = [book.sent[input_id] for input_id in sent if input_id not in mine]
    for each in others:
        verdict.require(each.kind is InputKind.PEER_RESPONSE_TERMINAL, "a message that no turn sent", each)
    for timer in said.timers:
        _check_timer(verdict, verdict.agent_of[run_id], timer)


def _check_timer(verdict: Verdict, identity: AgentIdentity, timer: InputId) -> None:
    asked = verdict.world.asked
    is_over = asked[identity, "reset"] or asked[identity, "destroy"]
    verdict.require(timer in verdict.rows or is_over, "a timer did not fire", f"{identity}: {timer}")


def _check_requests(verdict: Verdict) -> None:
    """Each request has one last response, from whom it was sent to, and nothing after it."""
    responses: defaultdict[InputId, list[Sent]] = defaultdict(list)
    requests = {sent.input_id: sent for sent in verdict.book.sent.values() if sent.kind is InputKind.PEER_REQUEST}
    for sent in verdict.book.sent.values():
        request_id = sent.header.request_id
        if request_id is None:
            continue
        request = requests.get(request_id)
        verdict.require(request is not None, "a response to no request", sent)
        if request is not None:
            responses[request_id].append(sent)
            verdict.require(sent.recipient == request.sender, "a response to somebody else", sent)
            verdict.require(sent.sender in {None, request.recipient}, "a response from somebody else", sent)
    for request_id, request in requests.items():
        if request.sender is None:
            continue
        mine = responses[request_id]
        last = [sent for sent in mine if sent.header.status not in PROGRESS]
        expected = 0 if request_id in verdict.book.unanswerable else 1
        verdict.require(len(last) == expected, "a request without its one answer", f"{request}: {mine}")
        verdict.require(not last or mine[-1] is last[0], "progress after the answer", f"{request}: {mine}")
        if last:
            _check_answer(verdict, request, last[0])


def _check_answer(verdict: Verdict, request: Sent, answer: Sent) -> None:
    """What was not consumed failed; what was consumed did not, unless that was said, or its agent ended owing it."""
    is_failed = answer.header.status is ResponseStatus.FAILED
    is_seen = request.input_id in verdict.seen
    verdict.require(is_seen or is_failed, "an answer to what nobody worked on", f"{request}: {answer}")
    is_said = any(answer.input_id in said.sent for said in verdict.said.values()) if is_seen and is_failed else False
    asked, agent = verdict.world.asked, request.recipient
    was_governed = any(asked[agent, verb] for verb in ("stop", "retire", "reset", "destroy"))
    verdict.require(
        not (is_seen and is_failed) or is_said or was_governed, "a failure that nobody caused", f"{request}: {answer}"
    )


def _ending(outcome: Outcome | None) -> str:
    if outcome is None:
        return "open"
    return str(getattr(outcome, "reason", type(outcome).__name__.lower()))
