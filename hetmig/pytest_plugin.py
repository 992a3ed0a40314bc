"""The pytest plugin: tests marked `hetmig`, or all of them, are migrated while they run.

A test that has passed is run again under torture (see `hetmig.testing`): it is moved at its safe
points, and must end as it did before.  Nothing of the harness is imported until a test needs it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import cloudpickle
import pytest

from hetmig.errors import HetmigError, NotMigratable

if TYPE_CHECKING:
    from hetmig.testing import Report

_MARK = "hetmig"
_AT_MOST = 100
_HEADING = "hetmig torture"
_SETTINGS = frozenset({"where", "at_most", "seed", "warm_up", "modules", "seconds"})

_reports = pytest.StashKey["list[Report]"]()
_unmoved = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("hetmig", "migration of running tests (hetmig)")
    group.addoption(
        "--hetmig-torture",
        action="store_true",
        help="after each test has passed, migrate it at its safe points, as far as it can move",
    )
    group.addoption(
        "--hetmig-where",
        metavar="PLACE",
        default="here",
        help="where tests go on: here (as is usual), process, a target's name, a Python's path",
    )
    group.addoption(
        "--hetmig-at-most",
        metavar="N",
        type=int,
        default=_AT_MOST,
        help=f"at how many safe points of a test, {_AT_MOST} as is usual; 0: at all of them",
    )
    group.addoption(
        "--hetmig-seed", metavar="N", type=int, default=0, help="what the choice hangs on, 0"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{_MARK}(where=, at_most=, seed=, warm_up=, modules=, seconds=, ping_pong=False, "
        "least=1): the test can move; it is migrated at its safe points, and `least` so many moves "
        "must succeed",
    )
    config.stash[_reports] = []
    config.stash[_unmoved] = []


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Torture a test that has passed."""
    result = yield
    marker = pyfuncitem.get_closest_marker(_MARK)
    if marker is not None:
        _marked(pyfuncitem, marker)
    elif pyfuncitem.config.getoption("--hetmig-torture"):
        _unmarked(pyfuncitem)
    return result


def _marked(item: pytest.Function, marker: pytest.Mark) -> None:
    """The test says that it can move: where it can't, it fails."""
    settings = dict(marker.kwargs)
    least = settings.pop("least", 1)
    ping_pong = settings.pop("ping_pong", False)
    if marker.args or not settings.keys() <= _SETTINGS:
        what = ", ".join(sorted(settings.keys() - _SETTINGS)) or "positional arguments"
        pytest.fail(f"the marker {_MARK} does not take {what}", pytrace=False)
    try:
        report = _torture(item, settings, ping_pong)
    except HetmigError as error:
        raise _failed(error) from None
    if report.migrated < least:
        pytest.fail(f"fewer moves than {least}: {report}", pytrace=False)


def _failed(error: HetmigError) -> BaseException:
    return pytest.fail.Exception(f"{type(error).__name__}: {error}", pytrace=False)


def _unmarked(item: pytest.Function) -> None:
    """The test was not asked: that it can't move is only told at the end."""
    from hetmig.testing import Unsteady

    try:
        report = _torture(item, {}, False)
    except (NotMigratable, Unsteady) as error:
        item.config.stash[_unmoved].append(f"{item.nodeid}: {error}")
    except HetmigError as error:
        raise _failed(error) from None
    else:
        if not report.migrated:
            why = min(report.reasons, default="it comes to no safe point")
            item.config.stash[_unmoved].append(f"{item.nodeid}: {why}")


def _torture(item: pytest.Function, settings: dict[str, Any], hopping: bool) -> Report:
    from hetmig.testing import ping_pong, torture

    if threading.current_thread() is not threading.main_thread():
        raise NotMigratable("only the main thread's signals can stop a test")
    config = item.config
    chosen: dict[str, Any] = {
        "where": config.getoption("--hetmig-where"),
        "at_most": config.getoption("--hetmig-at-most") or None,
        **settings,
    }
    run: Callable[..., Report] = torture
    if hopping:
        run = ping_pong
        if chosen["where"] == "here":  # that would fork pytest
            chosen["where"] = "process"
    else:
        chosen.setdefault("seed", config.getoption("--hetmig-seed"))
    names = item._fixtureinfo.argnames  # as pytest itself calls the test
    arguments = {name: item.funcargs[name] for name in names}
    with _movable(item, chosen["where"]):
        report = run(item.obj, kwargs=arguments, **chosen)
    report.program = item.nodeid
    config.stash[_reports].append(report)
    return report


@contextlib.contextmanager
def _movable(item: pytest.Function, where: str) -> Iterator[None]:
    """Elsewhere the test's module would be imported without what pytest makes of its asserts."""
    module = item.module
    if where == "here" or module.__name__ in cloudpickle.list_registry_pickle_by_value():
        yield
        return
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how much was moved, and what was not."""
    reports, unmoved = config.stash[_reports], config.stash[_unmoved]
    if not reports and not unmoved:
        return
    terminalreporter.section(_HEADING)
    moved = sum(report.migrated for report in reports)
    tried = sum(report.tried for report in reports)
    points = sum(report.points for report in reports)
    terminalreporter.line(
        f"{len(reports)} tests moved at {moved} of {tried} safe points tried ({points} in all)"
    )
    if config.get_verbosity() > 0:
        for report in reports:
            terminalreporter.line(str(report))
    for line in unmoved:
        terminalreporter.line(f"not moved: {line}")
