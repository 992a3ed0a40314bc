"""What tasks log, as records at the submitter."""

from __future__ import annotations

import logging
import operator
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import hetmig
from hetmig.client import Nodes

TIMEOUT = 60


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def texts(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler, crawler = Kept(), logging.getLogger("crawler")
    crawler.addHandler(handler)
    crawler.setLevel("INFO")
    yield handler
    crawler.removeHandler(handler)
    for logger in (crawler, crawler.getChild("pages")):
        logger.setLevel(logging.NOTSET)


def crawl(count: int) -> list[str]:
    log = logging.getLogger("crawler.pages")
    for number in range(count):
        log.debug("looking at %d", number)
        log.info("page %d", number, extra={"page": number, "lock": [object]})
        if number % 3 == 2:
            hetmig.migrate("b" if hetmig.here() == "a" else "a")
    try:
        [][count]
    except IndexError:
        log.exception("no page %s", count)
    return [logger.name for logger in (log, log.parent) if logger and logger.handlers]


def test_each_record_once_in_order_from_wherever_the_task_is(nodes: Nodes, kept: Kept) -> None:
    nodes.forward_logging("crawler")
    task = nodes.submit(crawl, 9)
    assert task.result(TIMEOUT) == []  # none of its loggers has got a handler
    assert kept.texts == [*(f"page {number}" for number in range(9)), "no page 9"]
    assert [record.page for record in kept.records[:-1]] == list(range(9))
    assert [record.node for record in kept.records] == [*"aaabbbaaa", "b"]
    assert {(record.task, record.task_id) for record in kept.records} == {("crawl", task.id)}
    first, last = kept.records[0], kept.records[-1]
    assert (first.levelname, first.name, first.funcName) == ("INFO", "crawler.pages", "crawl")
    assert first.lock == "[<class 'object'>]"
    assert os.path.basename(first.pathname) == "test_logging_of_tasks.py"
    assert last.exc_text.endswith("IndexError: list index out of range")


def test_nothing_is_sent_without_being_asked_for(nodes: Nodes, kept: Kept) -> None:
    nodes.submit(crawl, 1).result(TIMEOUT)
    assert kept.records == []


def test_levels_of_either_side(nodes: Nodes, kept: Kept) -> None:
    nodes.forward_logging("crawler", "debug")
    nodes.submit(crawl, 1).result(TIMEOUT)
    assert kept.texts == ["looking at 0", "page 0", "no page 1"]
    kept.records.clear()
    logging.getLogger("crawler.pages").setLevel("ERROR")
    nodes.submit(crawl, 1).result(TIMEOUT)
    assert kept.texts == ["no page 1"]
    with pytest.raises(ValueError, match="'loud' is no level of logging"):
        nodes.forward_logging("crawler", "loud")


def configures(go_round: bool) -> tuple[str, list[str]]:
    log = logging.getLogger("crawler")
    logging.basicConfig(format="here: %(message)s", level="INFO", stream=sys.stdout)
    log.info("one")
    if go_round:
        hetmig.migrate("b")
    log.info("two")
    log.setLevel(logging.WARNING)
    if go_round:
        hetmig.migrate("a")
    log.info("three")
    log.warning("four")
    return logging.getLevelName(log.level), [type(h).__name__ for h in logging.root.handlers]


@pytest.mark.parametrize("go_round", [False, True])
def test_what_the_task_configures_itself_holds(nodes: Nodes, kept: Kept, go_round: bool) -> None:
    texts: list[str] = []
    nodes.forward_logging("crawler")
    task = nodes.submit(configures, go_round)
    task.add_output_callback(lambda stream, text: texts.append(text))
    assert task.result(TIMEOUT) == ("WARNING", ["StreamHandler"])
    assert kept.texts == ["one", "two", "four"]
    assert "".join(texts) == "here: one\nhere: two\nhere: four\n"


def back_to_usual() -> list[int]:
    root = logging.getLogger("crawler")
    levels = [root.level]
    root.setLevel(logging.NOTSET)
    hetmig.migrate("b")
    return [*levels, root.level]


def test_a_level_that_the_task_takes_back_stays_taken_back(nodes: Nodes, kept: Kept) -> None:
    nodes.forward_logging("crawler")
    assert nodes.submit(back_to_usual).result(TIMEOUT) == [logging.INFO, logging.NOTSET]


def forks() -> None:
    log = logging.getLogger("crawler")
    log.info("parent")
    child = os.fork()
    if not child:
        log.warning("child")
        os._exit(0)
    os.waitpid(child, 0)
    log.info("parent again")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_process_writes_to_stderr(nodes: Nodes, kept: Kept) -> None:
    texts: list[str] = []
    nodes.forward_logging("crawler")
    task = nodes.submit(forks)
    task.add_output_callback(lambda stream, text: texts.append(text))
    task.result(TIMEOUT)
    assert kept.texts == ["parent", "parent again"]
    assert "".join(texts) == "child\n"


def in_parts() -> list[int]:
    log, found = logging.getLogger("crawler"), []
    hetmig.divide(2)
    for number in hetmig.divisible(range(6), merge={"found": operator.add}):
        log.info("part %d", number)
        found.append(number)
    return found


def test_parts_of_a_loop(nodes: Nodes, kept: Kept) -> None:
    nodes.forward_logging("crawler")
    assert nodes.submit(in_parts).result(TIMEOUT) == list(range(6))
    assert kept.texts == [f"part {number}" for number in range(6)]
