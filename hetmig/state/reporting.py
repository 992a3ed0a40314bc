"""How a program reports: the configuration of `logging`, and the filters of `warnings`.

Loggers travel by name, so what was set on them has to be set again at the destination.  A handler
travels like any object, with its stream: one that writes to a file which is open stays, and is
named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hetmig.state.image import require_portable

__all__ = ["logging_state", "set_logging_state", "set_warnings_state", "warnings_state"]

_SETTINGS = ("level", "propagate", "disabled", "handlers", "filters")
_WARNINGS = ("defaultaction", "onceregistry", "showwarning", "_showwarnmsg_impl")


def _settings(logger: Any) -> tuple[Any, ...]:
    values = (getattr(logger, name) for name in _SETTINGS)
    return tuple(list(value) if isinstance(value, list) else value for value in values)


def _loggers(logging: Any) -> Iterator[tuple[str | None, Any]]:
    """All loggers by name; the root has none."""
    yield None, logging.root
    for name, logger in sorted(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger):
            yield name, logger


def logging_state(logging: Any) -> dict[str, Any]:
    """What differs from what `import logging` makes."""
    usual = {
        True: _settings(logging.RootLogger(logging.WARNING)),
        False: _settings(logging.Logger("x")),
    }
    loggers = {
        name: settings
        for name, logger in _loggers(logging)
        if (settings := _settings(logger)) != usual[name is None]
    }
    return {
        "loggers": loggers,
        "disable": logging.root.manager.disable,
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
    return (list(warnings.filters), *(getattr(warnings, name, None) for name in _WARNINGS))


def set_warnings_state(warnings: Any, state: tuple[Any, ...]) -> None:
    """Filter and show warnings as at the source."""
    filters, *rest = state
    warnings.filters[:] = filters
    for name, value in zip(_WARNINGS, rest, strict=True):
        setattr(warnings, name, value)
    warnings._filters_mutated()
