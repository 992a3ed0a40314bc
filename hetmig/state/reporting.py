"""How a program reports: the configuration of `logging`, and the filters of `warnings`.

Loggers travel by name, so what was set on them has to be set again at the destination.  A handler
travels like any object, with its stream: one that writes to a file which is open stays, and is
named.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

from hetmig.state.image import require_portable

__all__ = ["logging_state", "set_logging_state", "set_warnings_state", "warnings_state"]

_SETTINGS = ("level", "propagate", "disabled", "handlers", "filters")
_WARNINGS = ("defaultaction", "onceregistry", "showwarning", "_showwarnmsg_impl")


_of_logger = operator.attrgetter(*_SETTINGS)


def _settings(logger: Any) -> tuple[Any, ...]:
    values: tuple[Any, ...] = _of_logger(logger)
    return tuple([list(value) if isinstance(value, list) else value for value in values])


@functools.cache  # it takes a dozen steps, and is asked while a task stands still
def _usual(logging: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The settings of the root, and of all other loggers, as `import logging` makes them."""
    return _settings(logging.RootLogger(logging.WARNING)), _settings(logging.Logger("x"))


def logging_state(logging: Any) -> dict[str, Any]:
    """What differs from what `import logging` makes."""
    usual_root, usual = _usual(logging)
    manager = logging.root.manager
    loggers: dict[str | None, tuple[Any, ...]] = {}
    if _of_logger(logging.root) != usual_root:
        loggers[None] = _settings(logging.root)
    changed = {
        name: logger
        for name, logger in list(manager.loggerDict.items())
        if isinstance(logger, logging.Logger) and _of_logger(logger) != usual
    }
    for name in sorted(changed):
        loggers[name] = _settings(changed[name])
    return {
        "loggers": loggers,
        "disable": manager.disable,
        "levels": dict(logging._levelToName),
    }


def require_portable_handlers(state: dict[str, Any]) -> None:
    """Raise NotMigratable for a handler or filter that can't travel, by the name of its logger."""
    for name, settings in state["loggers"].items():
        path = f"logging.getLogger({'' if name is None else repr(name)})"
        for kind, values in zip(_SETTINGS, settings, strict=True):
            if isinstance(values, list):
                for index, value in enumerate(values):
                    require_portable(value, f"{path}.{kind}[{index}]")


def set_logging_state(logging: Any, state: dict[str, Any]) -> None:
    """Configure `logging` as it was at the source."""
    for name, settings in state["loggers"].items():
        logger = logging.getLogger(name)
        for attribute, value in zip(_SETTINGS, settings, strict=True):
            if isinstance(value, list):
                getattr(logger, attribute)[:] = value
            else:
                setattr(logger, attribute, value)
        for handler in logger.handlers:
            logging._addHandlerRef(handler)  # so that it is flushed when the program ends
    for number, name in state["levels"].items():
        logging.addLevelName(number, name)
    logging.disable(state["disable"])  # this empties the loggers' caches, too


def warnings_state(warnings: Any) -> tuple[Any, ...]:
    """The filters, and who shows or records what passes them."""
    return (list(warnings.filters), *map(vars(warnings).get, _WARNINGS))


def set_warnings_state(warnings: Any, state: tuple[Any, ...]) -> None:
    """Filter and show warnings as at the source."""
    filters, *rest = state
    warnings.filters[:] = filters
    for name, value in zip(_WARNINGS, rest, strict=True):
        setattr(warnings, name, value)
    warnings._filters_mutated()
