"""Commands that look into a database: they own nothing, lock nothing and write nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Final

import click
from attrs import evolve

from meerkat_actors.cli import paging, records
from meerkat_actors.cli.options import (
    any_identity_argument,
    check_limit,
    database_argument,
    identity_argument,
    json_option,
    limit_option,
)
from meerkat_actors.cli.output import Column, Kind, Record, count_text, print_facts, print_json, print_table, size_text
from meerkat_actors.errors import UnknownIdentityError
from meerkat_actors.records.content import JSON
from meerkat_actors.records.ids import COUNTER_MAX, AgentIdentity, Generation, parse_identity
from meerkat_actors.records.inputs import InputRow
from meerkat_actors.records.runtime_events import Place
from meerkat_actors.store import StoreReader, Survey, open_reader, owners_of
from meerkat_actors.store.legible import legible
from meerkat_actors.store.sqlite.pruning_sizes import Sizes, sizes_of

_SIZE_COLUMNS: Final = (
    Column(title="table", kind=Kind.WORD),
    Column(title="rows", kind=Kind.NUMBER),
    Column(title="indexes", kind=Kind.NUMBER),
    Column(title="unused", kind=Kind.NUMBER),
)


def _parse_after(_: click.Context, parameter: click.Parameter, name: str | None) -> AgentIdentity | None:
    # Any ASCII text will do, of an identity or not: names hold nothing else, so nothing else can be behind one.
    if name is not None and not name.isascii():
        problem = f"{name!a}: names are ASCII"
        raise click.BadParameter(problem, param=parameter)
    return None if name is None else AgentIdentity(name)


def _parse_number(_: click.Context, parameter: click.Parameter, number: str | None) -> Place | None:
    if number is None:
        return None
    sequence, *index = number.split(".", 1)
    parts = (sequence, *(index or ["0"]))
    if all(part.isascii() and part.isdecimal() and len(part) <= 19 and int(part) <= COUNTER_MAX for part in parts):
        row, told = map(int, parts)
        # Of any epoch: it is asked of this store alone.
        return Place(epoch=0, sequence=row - 1, told=told) if told and row else Place(epoch=0, sequence=row)
    problem = f"{number!a}: use the number of an event, such as 17 or 17.2"
    raise click.BadParameter(problem, param=parameter)


@click.command(short_help="Tell what is in DB, and who owns it now.")
@database_argument
@click.option("--sizes", "with_sizes", is_flag=True, help="How much each table takes; reads the whole file.")
@json_option
def status(database: str, *, with_sizes: bool, as_json: bool) -> None:
    """Tell what is in DB, and who owns it now."""
    with closing(open_reader(database)) as reader:
        survey = reader.survey()
        record = _status_record(reader.location, survey)
        facts = legible(reader.location, lambda: list(_status_facts(record, survey)))
    sizes = sizes_of(database) if with_sizes else None
    if as_json:
        print_json([record if sizes is None else {**record, **_sizes_record(sizes)}])
        return
    print_facts(facts, footer=f"its agents: meerkat-actors identities {database}")
    if sizes is not None:
        print_table(_SIZE_COLUMNS, _size_cells(sizes), footer=f"{size_text(sizes.free_bytes)} of the file are empty")


@click.command(short_help="List the agents of DB.")
@database_argument
@click.option("--after", metavar="NAME", callback=_parse_after, help="Begin behind this name.")
@limit_option
@json_option
def identities(database: str, *, after: AgentIdentity | None, limit: int, as_json: bool) -> None:
    """List the agents of DB in the order of their names."""
    check_limit(limit, as_json=as_json)
    with closing(open_reader(database)) as reader:
        rows = paging.identities_from(reader, after, limit)
        if as_json:
            print_json(map(records.identity_record, rows))
            return
        found = list(rows)
        cells = list(paging.made(reader, records.identity_cells, found))
    more = f"go on with --after {found[-1].identity}" if len(found) == limit else "that is all"
    footer = f"{count_text(len(found), 'agent')}; {more}" if found else "no agents here"
    print_table(records.IDENTITY_COLUMNS, cells, footer=footer)


@click.command(short_help="List inputs, newest first.")
@database_argument
@any_identity_argument
@limit_option
@json_option
def inputs(database: str, identity: str | None, *, limit: int, as_json: bool) -> None:
    """List the inputs of IDENTITY, or of everybody in DB, newest first."""
    check_limit(limit, as_json=as_json)
    with closing(open_reader(database)) as reader:
        if identity is None:
            pairs = iter(reader.latest_inputs(limit=limit))
        else:
            name, _ = _known(reader, identity)
            pairs = ((name, row) for row in paging.inputs_of(reader, name, limit))
        if as_json:
            print_json(paging.made(reader, _input_record, pairs))
            return
        found = list(paging.made(reader, _input_cells, pairs))
    footer = _footer(len(found), "input", limit)
    if identity is None:
        print_table(records.LATEST_COLUMNS, found, footer=footer)
    else:
        print_table(records.INPUT_COLUMNS, (cells[1:] for cells in found), footer=footer)


@click.command(short_help="Show a transcript, newest message first.")
@database_argument
@identity_argument
@click.option(
    "--generation", type=click.IntRange(0, COUNTER_MAX), metavar="N", help="That of before a reset; default: now."
)
@limit_option
@json_option
def history(database: str, identity: str, *, generation: int | None, limit: int, as_json: bool) -> None:
    """Show the transcript of IDENTITY, newest message first."""
    check_limit(limit, as_json=as_json)
    with closing(open_reader(database)) as reader:
        name, now = _known(reader, identity)
        chosen = now if generation is None else Generation(generation)
        messages = islice(_messages(reader, name, chosen, limit), limit)
        if as_json:
            print_json(messages)
            return
        found = list(paging.made(reader, records.message_cells, messages))
    footer = _footer(len(found), "message", limit)
    print_table(records.MESSAGE_COLUMNS, found, footer=footer)


@click.command(short_help="List what each turn consumed, newest first.")
@database_argument
@identity_argument
@limit_option
@json_option
def receipts(database: str, identity: str, *, limit: int, as_json: bool) -> None:
    """List the receipts of IDENTITY, newest first: what each turn consumed, and the transcript after it."""
    check_limit(limit, as_json=as_json)
    with closing(open_reader(database)) as reader:
        name, _ = _known(reader, identity)
        turns = islice(paging.turns_of(reader, name, limit), limit)
        if as_json:
            print_json(paging.made(reader, records.receipt_record, turns))
            return
        found = list(paging.made(reader, records.receipt_cells, turns))
    footer = _footer(len(found), "receipt", limit)
    print_table(records.RECEIPT_COLUMNS, found, footer=footer)


@click.command(short_help="List inputs that were given up, oldest first.")
@database_argument
@click.option("--identity", metavar="NAME", help="Of this agent only.")
@limit_option
@json_option
def dead_letters(database: str, identity: str | None, *, limit: int, as_json: bool) -> None:
    """List the dead letters of DB, oldest first: inputs that were given up though nobody asked for that.

    To try one again, or to drop it, takes a program that knows the kinds of its agents: runtime.redrive(ID) and
    runtime.drop(ID), with an id from here.
    """
    check_limit(limit, as_json=as_json)
    name = None if identity is None else parse_identity(identity)
    with closing(open_reader(database)) as reader:
        heads = paging.letters_of(reader, name, limit)
        pairs = ((head.identity, head.row) for head in heads)
        if as_json:
            print_json(paging.made(reader, _input_record, pairs))
            return
        found = list(paging.made(reader, _letter_cells, pairs))
    more = "; --limit for more" if len(found) == limit else ""
    footer = f"{count_text(len(found), 'dead letter')}{more}" if found else "no dead letters"
    print_table(records.LETTER_COLUMNS, found, footer=footer)


@click.command(short_help="List what happened in DB, oldest first.")
@database_argument
@click.option(
    "--after",
    metavar="N",
    callback=_parse_number,
    help="Begin behind the event that is listed as N; default: the last ones.",
)
@limit_option
@json_option
def events(database: str, *, after: Place | None, limit: int, as_json: bool) -> None:
    """List what happened in DB, oldest first: inputs, mail, turns, and what else was committed.

    What one commit did has one number: 17, or 17.1 and 17.2.
    """
    check_limit(limit, as_json=as_json)
    with closing(open_reader(database)) as reader:
        begin = paging.before_last_events(reader, limit) if after is None else after
        rows = paging.events_from(reader, begin, limit)
        if as_json:
            print_json(map(records.event_record, rows))
            return
        found = list(rows)
        cells = list(paging.made(reader, records.event_cells, found))
    last = found[-1].number if found else begin.sequence
    footer = f"{count_text(len(found), 'event')}; what comes next: --after {last}"
    print_table(records.EVENT_COLUMNS, cells, footer=footer)


def _messages(reader: StoreReader, name: AgentIdentity, generation: Generation, limit: int) -> Iterator[Record]:
    turns = paging.turns_of(reader, name, limit, generation=generation)
    for messages in paging.made(reader, partial(records.message_records, name), turns):
        yield from reversed(messages)


def _input_record(pair: tuple[AgentIdentity, InputRow]) -> Record:
    identity, row = pair
    content = b"null" if row.is_pruned else row.content
    return {**records.input_record((identity, evolve(row, content=content))), "pruned": row.is_pruned}


def _input_cells(pair: tuple[AgentIdentity, InputRow]) -> tuple[str, ...]:
    return records.input_cells(_marked(pair))


def _letter_cells(pair: tuple[AgentIdentity, InputRow]) -> tuple[str, ...]:
    return records.letter_cells(_marked(pair))


def _marked(pair: tuple[AgentIdentity, InputRow]) -> tuple[AgentIdentity, InputRow]:
    identity, row = pair
    return identity, evolve(row, content=b'"(pruned)"') if row.is_pruned else row


def _known(reader: StoreReader, text: str) -> tuple[AgentIdentity, Generation]:
    name = parse_identity(text)
    try:
        return name, reader.require_identity(name)
    except UnknownIdentityError as error:
        problem = f"{name}: no such identity in {reader.location}; list them with: meerkat-actors identities"
        raise click.ClickException(problem) from error


def _footer(found: int, noun: str, limit: int) -> str:
    if found == 0:
        return f"no {noun}s yet"
    return f"the newest {count_text(found, noun)}; --limit for more" if found == limit else count_text(found, noun)


def _status_record(path: str, survey: Survey) -> Record:
    return {
        "database": path,
        "bytes": _size(path),
        "log_bytes": _size(f"{path}-wal"),
        "store_id": survey.store_id,
        "owners": list(owners_of(path)),
        "incarnation": survey.incarnation,
        "clean": survey.was_clean,
        "last_sequence": survey.last_sequence,
        "identities": survey.identities.number,
        "identities_exact": survey.identities.is_exact,
        "turns": survey.turns.number,
        "turns_exact": survey.turns.is_exact,
        "open_inputs": survey.open_inputs.number,
        "open_inputs_exact": survey.open_inputs.is_exact,
    }


def _sizes_record(sizes: Sizes) -> Record:
    tables: dict[str, JSON] = {
        table.name: {"rows": table.rows_bytes, "indexes": table.index_bytes, "unused": table.unused_bytes}
        for table in sizes.tables
    }
    return {"free_bytes": sizes.free_bytes, "tables": tables}


def _size_cells(sizes: Sizes) -> Iterator[tuple[str, ...]]:
    for table in sizes.tables:
        yield table.name, *map(size_text, (table.rows_bytes, table.index_bytes, table.unused_bytes))


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except FileNotFoundError:  # an owner that closes takes its log along
        return 0


def _status_facts(record: Record, survey: Survey) -> Iterator[tuple[str, str]]:
    size, log = record["bytes"], record["log_bytes"]
    assert isinstance(size, int)
    assert isinstance(log, int)
    yield "database", str(record["database"])
    yield "size", size_text(size) + (f", and {size_text(log)} of log" if log else "")
    owners = record["owners"]
    assert isinstance(owners, list)
    yield "owner", ", ".join(f"process {owner}" for owner in owners) or "nobody"
    if not owners:
        yield "last end", "in good order" if survey.was_clean else "not in good order; the next start recovers"
    yield "starts", f"{survey.incarnation:,}"
    yield "identities", _about(survey.identities.number, is_exact=survey.identities.is_exact)
    yield "turns", _about(survey.turns.number, is_exact=survey.turns.is_exact)
    open_inputs = survey.open_inputs
    yield "open inputs", f"{open_inputs.number:,}" if open_inputs.is_exact else f"more than {open_inputs.number:,}"


def _about(number: int, *, is_exact: bool) -> str:
    return f"{number:,}" if is_exact else f"about {number:,}"
