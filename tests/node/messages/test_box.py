"""The mailbox of a task and its senders, without sockets: a model, and single rules."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hetmig.errors import MailboxFull, NoReply, NotReceived, ParcelTooLarge
from hetmig.node.answers import told_answers
from hetmig.node.mailbox import Answer, Call
from hetmig.node.messages.box import MessageBox, fate
from hetmig.node.messages.log import MessageLog
from hetmig.node.messages.mail import Mail
from hetmig.node.messages.outgoing import Outgoing

SENDERS = ("x", "y", "z")


def message(sender: str, number: int, data: bytes = b"x", reply: bool = False) -> Call:
    return Call(sender, number, {"reply": reply}, [data])


def given(box: MessageBox, mail: Mail, most: int = 64) -> None:
    """The task asks its node once."""
    question = mail.question(0.0)
    box.taken(question["received"])
    found = box.after(question["given"], most, 1 << 20)
    described = [{"sender": c.sender, "n": c.number, "reply": 0, "frames": 1} for c in found]
    header = {"given": question["given"], "messages": described}
    mail.arrived(header, [frame for call in found for frame in call.frames])


def moved(box: MessageBox) -> MessageBox:
    described, data = box.packed(0.0)
    return MessageBox.unpacked(described, data, 0.0)


def received_all(box: MessageBox, mail: Mail) -> list[tuple[str, int]]:
    found = []
    while True:
        given(box, mail)
        letter = mail.take()
        if letter is None:
            return found
        found.append((letter.header["sender"], letter.header["n"]))


class Disk:
    """The messages in a journal: what was gathered is written up to some point, in its order."""

    def __init__(self) -> None:
        self.gathered: list[tuple[Call, int]] = []
        self.written = 0

    def keep_message(self, task: str, call: Call, base: int, file: str | None) -> None:
        self.gathered.append((call, base))

    def sync(self) -> None:
        self.written = len(self.gathered)

    def crash(self) -> None:
        del self.gathered[self.written :]

    def messages(self, task: str) -> list[tuple[Call, int]]:
        return self.gathered

    def passed(self, task: str) -> list[tuple[str, int]]:
        return []


class Traffic(RuleBasedStateMachine):
    """Senders, a network that loses, doubles and reorders, and a task that moves and is restarted.

    What the program of the task receives is, of each sender, 1, 2, 3 ... without a gap, once; after
    a crash it begins again with what it had received when it came to its node.
    """

    @initialize()
    def begin(self) -> None:
        self.box, self.mail = MessageBox(), Mail()
        self.out = {name: Outgoing("t", "job", sender=name) for name in SENDERS}
        self.wire: list[tuple[Call, int]] = []
        self.received: dict[str, list[int]] = defaultdict(list)
        self.replied: set[tuple[str, int]] = set()
        self.heard: dict[tuple[str, int], object] = {}
        self.ever: set[tuple[str, int]] = set()
        self.keep_image()

    def keep_image(self) -> None:
        """What a crash throws the task back to."""
        self.image = moved(self.box), self.mail.state()
        self.image_received = {name: list(numbers) for name, numbers in self.received.items()}
        self.disk: Any = Disk()
        self.log = MessageLog(self.disk, "t")

    @rule(name=st.sampled_from(SENDERS), request=st.booleans())
    def send(self, name: str, request: bool) -> None:
        out = self.out[name]
        number = out.begin(request=request, watched=True)
        self.wire.append(
            (message(name, number, b"%d" % number, request), out.described(number)["base"])
        )

    @precondition(lambda self: self.wire)
    @rule(data=st.data(), again=st.booleans(), told=st.booleans())
    def deliver(self, data: st.DataObject, again: bool, told: bool) -> None:
        """In any order; the sender may not hear of it, and repeats it."""
        index = data.draw(st.integers(0, len(self.wire) - 1))
        call, base = self.wire[index]
        if self.box.accept(call, base, 0.0):
            self.log.add(call, base, None)
        if told:
            self.disk.sync()
            self.out[call.sender].accepted(call.number)
        if told and not again:
            del self.wire[index]

    @rule(most=st.integers(1, 3))
    def ask(self, most: int) -> None:
        given(self.box, self.mail, most)

    @rule()
    def receive(self) -> None:
        letter = self.mail.take()
        if letter is not None:
            self.received[letter.header["sender"]].append(letter.header["n"])
            self.ever.add((letter.header["sender"], letter.header["n"]))
            assert letter.frames == [b"%d" % letter.header["n"]]

    @rule(data=st.data())
    def reply(self, data: st.DataObject) -> None:
        done = [(s, n) for s, ns in self.received.items() for n in ns]
        if done:
            sender, number = data.draw(st.sampled_from(done))
            self.box.reply(sender, number, Answer({"ok": True}, [b"%d" % number]))
            self.replied.add((sender, number))

    @rule(name=st.sampled_from(SENDERS), lost=st.booleans())
    def poll(self, name: str, lost: bool) -> None:
        out = self.out[name]
        question = out.question(0.0)
        news = self.box.news(name, question["base"], question["low"], question["got"], 0.0)
        told, parcel = told_answers(news.answers)
        told = {**told, "taken": news.taken, "lost": news.lost, "known": news.is_known}
        if lost or not news.is_known:  # nothing of this sender was accepted yet
            return
        requests = dict(out.open)
        for number, what in out.hear(told, [] if parcel is None else parcel.frames).items():
            assert (name, number) not in self.heard, "told twice"
            self.heard[name, number] = what
            if requests[number]:
                assert [bytes(frame) for frame in what.frames] == [b"%d" % number]
                assert (name, number) in self.replied
            else:
                assert what.error is None
                assert (name, number) in self.ever

    @rule()
    def move(self) -> None:
        """The mailbox and the state of the task travel."""
        self.box = moved(self.box)
        there = Mail()
        there.arrive(self.mail.state())
        self.mail = there
        self.keep_image()

    @rule()
    def crash(self) -> None:
        """The node is killed and started again, perhaps not for the first time."""
        self.disk.crash()
        box, state = self.image
        self.box, self.mail = moved(box), Mail()
        self.mail.arrive(state)
        self.received = defaultdict(list)
        self.received.update({name: list(ns) for name, ns in self.image_received.items()})
        self.log = MessageLog(self.disk, "t")
        self.log.replay(self.box, 0.0)

    @invariant()
    def in_order_and_once(self) -> None:
        for numbers in self.received.values():
            assert numbers == list(range(1, len(numbers) + 1))

    def teardown(self) -> None:
        for call, base in self.wire:
            self.box.accept(call, base, 0.0)
        for sender, number in received_all(self.box, self.mail):
            self.received[sender].append(number)
        for name, out in self.out.items():
            assert self.received[name] == list(range(1, out.last + 1))


Traffic.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestTraffic = Traffic.TestCase


def test_a_task_that_restarts_from_before_reports_what_is_lost() -> None:
    """A gap is not waited for: what the lost copy had accepted is told to be lost, by number."""
    box, out = MessageBox(), Outgoing("t", "job", sender="x")
    for number in range(1, 4):
        out.begin(request=False, watched=True)
        box.accept(message("x", number), 1, 0.0)
        out.accepted(number)
    checkpoint = moved(box)
    for number in range(4, 7):
        out.begin(request=False, watched=True)
        box.accept(message("x", number), out.described(number)["base"], 0.0)
        out.accepted(number)
    box = checkpoint  # the node was lost
    number = out.begin(request=False, watched=True)
    box.accept(message("x", number), out.described(number)["base"], 0.0)
    out.accepted(number)
    assert received_all(box, Mail()) == [("x", 1), ("x", 2), ("x", 3), ("x", 7)]
    box.taken(4)
    question = out.question(0.0)
    news = box.news("x", question["base"], question["low"], [], 0.0)
    told = {"answers": [], "taken": news.taken, "lost": news.lost, "known": True}
    assert news.lost == [[4, 7]]
    found = out.hear(told, [])
    errors = {number: type(what.error) for number, what in found.items()}
    none = type(None)
    assert errors == {1: none, 2: none, 3: none, 7: none} | dict.fromkeys((4, 5, 6), NotReceived)


def test_a_checkpoint_holds_what_the_copy_has_not_received() -> None:
    box, mail = MessageBox(), Mail()
    for number in range(1, 6):
        box.accept(message("x", number), 1, 0.0)
    given(box, mail)
    first = mail.take()
    assert first is not None
    saved, copy = moved(box), Mail()
    copy.arrive(mail.state())
    assert received_all(box, mail) == received_all(saved, copy) == [("x", n) for n in range(2, 6)]


def test_what_is_left_at_the_end() -> None:
    box = MessageBox()
    for sender, number in (("x", 1), ("x", 2), ("y", 1), ("x", 3)):
        box.accept(message(sender, number), 1, 0.0)
    box.taken(1)
    remains = box.remains()
    assert remains == {"x": [2, 4], "y": [1, 2]}
    assert fate(1, remains, "x", "t", "job") is None
    assert isinstance(fate(3, remains, "x", "t", "job"), NotReceived)
    assert isinstance(fate(1, remains, "y", "t", "job"), NotReceived)
    assert fate(1, remains, "z", "t", "job") is None
    assert isinstance(fate(1, None, "x", "t", "job"), NoReply)


def test_a_full_mailbox_and_a_sender_who_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number that was given up is no gap for those that follow."""
    monkeypatch.setattr(MessageBox, "MOST_CALLS", 2)
    box, out = MessageBox(), Outgoing("t", sender="x")
    for number in (1, 2):
        out.begin(request=False, watched=False)
        box.accept(message("x", number), 1, 0.0)
        out.accepted(number)
    third = out.begin(request=False, watched=False)
    with pytest.raises(MailboxFull):
        box.accept(message("x", third), out.described(third)["base"], 0.0)
    out.given_up(third)
    box.taken(1)
    fourth = out.begin(request=False, watched=False)
    box.accept(message("x", fourth), out.described(fourth)["base"], 0.0)
    assert [call.number for call in box.waiting] == [2, 4]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MessageBox, "MOST_BYTES", 100)
    box = MessageBox()
    with pytest.raises(ParcelTooLarge):
        box.accept(message("x", 1, bytes(101)), 1, 0.0)
    box.accept(message("x", 2, bytes(100)), 1, 0.0)  # before its turn
    with pytest.raises(MailboxFull, match="before their turn"):
        box.accept(message("x", 3, bytes(1)), 1, 0.0)
    box.accept(message("x", 1, bytes(50)), 1, 0.0)
    with pytest.raises(MailboxFull):
        box.accept(message("y", 1, bytes(1)), 1, 0.0)
    box.taken(2)
    box.accept(message("y", 1, bytes(1)), 1, 0.0)


def test_a_reply_that_nobody_waits_for_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    box, out = MessageBox(), Outgoing("t", sender="x")
    number = out.begin(request=True, watched=False)
    box.accept(message("x", number), 1, 0.0)
    out.accepted(number)
    box.taken(1)
    box.reply("x", number, Answer({"ok": True}, [b"late"]))
    out.given_up(number)
    question = out.question(0.0)
    assert box.news("x", question["base"], question["low"], question["got"], 0.0).answers == {}
    assert box.packed(0.0)[1] == b""
