"""What a program has set in `logging` and `warnings` is set again where it arrives."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings

import pytest

from hetmig.errors import NotMigratable
from hetmig.state import reporting
from hetmig.state.ambient import Ambient, put_back
from hetmig.state.pickling import dumps, loads


@pytest.fixture(autouse=True)
def restored():
    """Logging as it is at the start, here and at the end."""
    levels, before = dict(logging._levelToName), reporting.logging_state(logging)["loggers"]
    fresh()
    yield
    fresh()
    logging.disable(logging.NOTSET)
    for number in logging._levelToName.keys() - levels.keys():
        del logging._nameToLevel[logging._levelToName.pop(number)]
    state = {"loggers": before, "disable": logging.NOTSET, "levels": levels}
    reporting.set_logging_state(logging, state)


def fresh():
    root = logging.getLogger()
    root.handlers[:] = []
    root.setLevel(logging.WARNING)
    for logger in (logging.getLogger("a"), logging.getLogger("a.b")):
        logger.handlers[:], logger.filters[:] = [], []
        logger.setLevel(logging.NOTSET)
        logger.propagate, logger.disabled = True, False


class Only(logging.Filter):
    def filter(self, record):
        return record.msg == self.name


def test_levels_handlers_and_filters():
    ambient = Ambient()
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    handler.name = "mine"
    child = logging.getLogger("a.b")
    child.addHandler(handler)
    child.addFilter(Only("shown"))
    child.setLevel(15)
    child.propagate = False
    logging.getLogger("a").disabled = True
    logging.addLevelName(15, "FINE")
    logging.disable(11)
    state, same = loads(dumps([ambient.changed(), handler]))
    assert list(state) == ["logging"]
    fresh()
    put_back(state)
    assert child.handlers == [same]
    assert same is not handler
    assert (child.propagate, logging.getLogger("a").disabled) == (False, True)
    for level, message in ((15, "shown"), (14, "shown"), (15, "hidden")):
        child.log(level, message)
    assert same.stream.getvalue() == "FINE shown\n"
    assert written.getvalue() == ""
    assert logging.root.manager.disable == 11
    assert any(reference() is same for reference in logging._handlerList)


def test_what_is_as_usual_does_not_travel():
    assert "logging" not in Ambient().changed()
    logging.getLogger("a").setLevel(logging.ERROR)
    ambient = Ambient()
    assert "logging" not in ambient.changed()
    logging.getLogger("a").setLevel(logging.NOTSET)
    assert ambient.changed()["logging"]["loggers"].get("a") is None


def test_a_handler_that_cannot_travel_is_named(tmp_path):
    ambient = Ambient()
    with contextlib.closing(logging.FileHandler(tmp_path / "log")) as handler:
        logging.getLogger("a.b").addHandler(handler)
        with pytest.raises(NotMigratable, match="open file") as caught:
            ambient.changed()
        assert caught.value.variable == "logging.getLogger('a.b').handlers[0].stream"
    assert ambient.changed()  # it has no file now, and opens one where it is when it is used


def test_filters_of_warnings():
    with warnings.catch_warnings():
        ambient = Ambient()
        warnings.filterwarnings("error", "never", UserWarning)
        state = ambient.changed()
        assert list(state) == ["warnings"]
    assert Ambient().changed() == {}
    with warnings.catch_warnings():
        put_back(loads(dumps(state)))
        with pytest.raises(UserWarning, match="never"):
            warnings.warn("never", stacklevel=1)


def test_warnings_that_are_being_recorded():
    with warnings.catch_warnings():
        ambient = Ambient()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            state, moved = loads(dumps([ambient.changed(), caught]))
        put_back(state)
        warnings.warn("one", stacklevel=1)
        warnings.warn("one", stacklevel=1)
    assert [str(warning.message) for warning in moved] == ["one", "one"]
    assert caught == []
