"""The parts of a report's page below its picture: tasks, freezes, steps, nodes."""

from __future__ import annotations

import time
from collections.abc import Container, Sequence

from hetmig.journey import Hop
from hetmig.report.chart import Chart
from hetmig.report.markup import Content, Markup, el, join
from hetmig.report.model import Lane, Report, Stay, Story, steps_of
from hetmig.units import count, milliseconds, percent, size, span

__all__ = ["card", "moment", "nodes", "steps", "table", "tasks"]

_SIDES = ("source", "link", "destination")
_OPEN_MOVES = 6
"""More of them than this are folded."""
_MOST_MOVES = 200
_BY = {
    "client": "asked for from outside",
    "task": "by itself",
    "drain": "as its node was drained",
    "placement": "by the policy of placement",
}
_WORDS = {
    "capture": "read the frames, and pickle what they hold",
    "prepare": "ask the destination (for a task that moves by itself)",
    "seal": "put the parcel together",
    "send": "hand it to the network",
    "offer": "the way there and back, and waiting for one's turn",
    "verify": "check the parcel's authentication code",
    "answer": "say that the parcel is whole: the source commits it while it is put together",
    "runner": "wait for a process, if none is warm",
    "rebuild": "unpickle, and build the re-entry, as far as that takes longer than the disk",
    "keep": "write the image to the disk, as far as that takes longer",
    "record": "the handoff's state, on the disk",
    "commit": "the way there and back",
    "start": "let it run",
    "confirm": "RUNNING, on the disk; the task runs meanwhile",
}


def moment(seconds: float) -> Markup:
    """A time, in UTC."""
    told = time.gmtime(seconds)
    machine = time.strftime("%Y-%m-%dT%H:%M:%SZ", told)
    return el("time", time.strftime("%Y-%m-%d %H:%M:%S UTC", told), datetime=machine)


def card(title: str, *children: Content, id: str | None = None, about: str = "") -> Markup:
    """A section of the page."""
    told = el("p", about, class_="about") if about else None
    return el("section", el("h2", title), told, *children, class_="card", id=id)


def table(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[Content]], numbers: Sequence[int]
) -> Markup:
    """A table that can be scrolled on a narrow screen; columns of `numbers` go to the right."""

    def kind(place: int) -> str | None:
        return "number" if place in numbers else None

    head = [el("th", text, scope="col", class_=kind(i)) for i, text in enumerate(heads)]
    body = []
    for row in rows:
        first, *rest = row
        cells = [el("td", cell, class_=kind(i)) for i, cell in enumerate(rest, 1)]
        body.append(el("tr", el("th", first, scope="row"), *cells))
    made = el(
        "table",
        el("caption", caption, class_="unseen"),
        el("thead", el("tr", *head)),
        el("tbody", *body),
    )
    return el("div", made, class_="scroll", tabindex="0", role="region", aria_label=caption)


def tasks(report: Report, numbers: dict[str, int], drawn: Container[str]) -> Markup:
    """One line for each; those `drawn` have a part of the page below."""
    rows: list[list[Content]] = []
    for story in report.stories:
        number = numbers[story.id]
        link = el("b", story.name, id=None if story.id in drawn else f"task-{number}")
        if story.id in drawn:
            link = el("a", link, href=f"#task-{number}")
        rows.append(
            [
                join(_chip(number), " ", link),
                _state(story),
                story.node,
                span(story.end - story.begin),
                len(story.hops),
                milliseconds(story.frozen_s) if story.hops else "",
                size(story.bytes) if story.hops else "",
                len(story.checkpoints) + story.older or "",
                len(story.restarts) or "",
            ]
        )
    heads = ["Task", "State", "Node", "Lasted", "Moves", "Frozen", "Bytes", "Checkpoints"]
    return table("The tasks", [*heads, "Restarts"], rows, range(3, 9))


def nodes(lanes: Sequence[Lane]) -> Markup:
    """One line for each node."""
    rows: list[list[Content]] = []
    for lane in lanes:
        python = lane.python
        bits = f"{python['bits']} bit, {python['byteorder']} endian" if "bits" in python else ""
        machine = ", ".join(word for word in (str(python.get("machine", "")), bits) if word)
        version = lane.words.partition(",")[0]
        rows.append(
            [
                el("b", lane.name),
                version,
                machine,
                str(python.get("system", "")),
                lane.tasks,
                span(lane.busy_s),
                f"{lane.moves_in} in, {lane.moves_out} out",
                f"{size(lane.bytes_in)} in, {size(lane.bytes_out)} out",
            ]
        )
    heads = ["Node", "Python", "Processor", "System", "Tasks", "Their time", "Moves", "Bytes"]
    return table("The nodes", heads, rows, range(4, 8))


def steps(report: Report) -> Markup:
    """Where the time went, all freezes together."""
    found, moves = report.steps(), len(report.hops)
    whole = sum(seconds for *_, seconds in found) or 1.0
    longest = max((seconds for *_, seconds in found), default=1.0) or 1.0
    rows = []
    for side, step, seconds in found:
        bar = el("i", class_=f"part {side}", style=f"width:{100 * seconds / longest:.2f}%")
        rows.append(
            el(
                "li",
                el("span", el("b", step), f" {side}", class_="what"),
                el("span", bar, class_="track", aria_hidden="true"),
                el("span", milliseconds(seconds / moves), class_="mean"),
                el("span", percent(seconds / whole), class_="share"),
                el("span", _WORDS.get(step, ""), class_="note"),
            )
        )
    return join(_legend(), el("ol", *rows, class_="steps"))


def _legend() -> Markup:
    words = {"source": "at the source", "link": "on the way", "destination": "at the destination"}
    keys = [el("span", el("i", class_=f"part {side}"), words[side]) for side in _SIDES]
    return el("p", *keys, class_="legend", aria_hidden="true")


# One task -------------------------------------------------------------------------------------


def _chip(number: int) -> Markup:
    return el("span", number, class_=f"chip c{(number - 1) % 8}")


def _state(story: Story) -> Markup:
    kind = "alive" if story.is_alive else story.state
    return el("span", story.state, class_=f"state {kind}")


def story_card(story: Story, number: int, lanes: Sequence[Lane]) -> Markup:
    """All there is to say of one task."""
    chart = Chart([story], lanes, {story.id: number})
    title = el("h2", _chip(number), " ", story.name, " ", _state(story))
    picture = chart.draw(f"{story.name}: {chart.words()}", marks=True)
    return el(
        "section",
        title,
        el("p", *_summary(story), class_="about"),
        picture,
        _stays(story),
        _moves(story),
        _checkpoints(story),
        class_="card task",
        id=f"task-{number}",
    )


def _summary(story: Story) -> list[Content]:
    what = "" if story.what == "task" else f"an {story.what}, "
    said: list[Content] = [f"{what}id ", el("code", story.id), f", home {story.home}; began "]
    said += [moment(story.begin), f", {'is' if story.is_alive else 'was last'} on {story.node}"]
    lasted = story.end - story.begin
    said.append(f"; {span(lasted)} so far" if story.is_alive else f"; lasted {span(lasted)}")
    if story.hops:
        share = story.frozen_s / lasted if lasted else 0.0
        said.append(
            f"; {count(len(story.hops), 'move')}, frozen for {milliseconds(story.frozen_s)} in all "
            f"({percent(share)} of its time), {size(story.bytes)}"
        )
    if story.progress is not None:
        done, total, note = story.progress
        of = f" of {total:g}" if total else ""
        said.append(f"; progress {done:g}{of}{f', {note}' if note else ''}")
    return [*said, "."]


def _stays(story: Story) -> Markup | None:
    if len(story.stays) < 2:
        return None
    rows: list[list[Content]] = [
        [place, stay.node, f"+{span(stay.begin - story.begin)}", span(stay.end - stay.begin),
         _how_it_left(story, place, stay)]
        for place, stay in enumerate(story.stays, 1)
    ]  # fmt: skip
    heads = ["#", "Node", "From", "For", "Then"]
    inner = table(f"Where {story.name} was", heads, rows, (2, 3))
    folded = el("summary", f"{len(rows)} stays")
    return el("details", folded, inner, open="" if len(rows) <= _OPEN_MOVES else None)


def _how_it_left(story: Story, place: int, stay: Stay) -> str:
    if stay.left in ("moved", "restarted"):
        verb = "moved to" if stay.left == "moved" else "its node was lost; restarted on"
        return f"{verb} {story.stays[place].node}"
    return "still there" if stay.left == "" else story.state


def _moves(story: Story) -> Markup | None:
    if not story.hops:
        return None
    shown = story.hops[-_MOST_MOVES:]
    first = len(story.hops) - len(shown) + 1
    items = [_move(story, hop, number) for number, hop in enumerate(shown, first)]
    words = f"{count(len(story.hops), 'freeze')}: where the time went"
    if len(shown) < len(story.hops):
        words += f" (the last {len(shown)})"
    return el(
        "details",
        el("summary", words),
        _legend(),
        el("ol", *items, class_="moves"),
        open="" if len(items) <= _OPEN_MOVES else None,
    )


def _move(story: Story, hop: Hop, number: int) -> Markup:
    where = f" in {hop.function} ({hop.file}:{hop.line})" if hop.frames else ""
    waited = f", {milliseconds(hop.wait_s)} to a safe point" if hop.wait_s else ""
    head = el(
        "p",
        el("span", number, class_="mark"),
        el("b", f"{hop.source} → {hop.destination}"),
        el("strong", milliseconds(hop.freeze_s)),
        el("span", size(hop.bytes)),
        class_="head",
    )
    since = span(max(hop.start_time - story.begin, 0.0))
    by = _BY.get(hop.requested_by, f"asked for by {hop.requested_by}")
    note = f"at +{since}, {by}{waited}; it stood{where or ' still'}"
    return el("li", head, _bar(hop), el("p", note, class_="note"), _steps_of(hop))


def _bar(hop: Hop) -> Markup | None:
    steps = steps_of(hop)
    whole = sum(step.seconds for step in steps)
    if not whole:
        return el("p", "The steps of this move are not known.", class_="note")
    parts = []
    for step in steps:
        share = 100 * step.seconds / whole
        words = f"{step.side}: {step.step} {milliseconds(step.seconds)}"
        shown = step.step if share > 1.4 * len(step.step) + 2 else ""
        style = f"width:{share:.3f}%"
        parts.append(el("i", shown, class_=f"part {step.side}", title=words, style=style))
    by_side = ", ".join(
        f"{side} {milliseconds(sum(s.seconds for s in steps if s.side == side))}" for side in _SIDES
    )
    return el("div", *parts, class_="freeze", role="img", aria_label=f"Of the freeze: {by_side}")


def _steps_of(hop: Hop) -> Markup | None:
    if not hop.steps:
        return None
    whole = sum(step.seconds for step in hop.steps) or 1.0
    rows = [
        [step.step, step.side, milliseconds(step.seconds), percent(step.seconds / whole)]
        for step in steps_of(hop)
    ]
    inner = table("Steps of the move", ["Step", "Where", "Time", "Share"], rows, (2, 3))
    return el("details", el("summary", "the steps in numbers"), inner)


def _checkpoints(story: Story) -> Markup | None:
    if not story.checkpoints:
        return None
    rows: list[list[Content]] = [
        [saved.number, saved.node, f"+{span(max(saved.time - story.begin, 0.0))}",
         milliseconds(saved.freeze_s), span(saved.total_s), size(saved.bytes)]
        for saved in story.checkpoints
    ]  # fmt: skip
    heads = ["#", "Node", "At", "Frozen", "Written in", "Bytes"]
    words = count(len(rows) + story.older, "checkpoint")
    inner = table(f"Checkpoints of {story.name}", heads, rows, range(2, 6))
    return el("details", el("summary", words), inner)
