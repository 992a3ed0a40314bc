"""The table of docs/data.md: each row names the examples that prove it.

`python -m tests.data` writes the page anew; a test compares, and dumps and loads the examples, here
and on other machines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.state import data_shapes

PAGE = Path(__file__).parent.parent / "docs" / "data.md"


class Row(NamedTuple):
    """One kind of data."""

    kind: str
    example: str
    """A function of `tests.state.data_shapes`."""
    note: str
    refused: str = ""
    """If it stays: a part of the reason."""
    abroad: str = ""
    """If some machines refuse it: a part of their reason."""
    reopened: bool = False
    is_open: bool = False
    """Whether it is to be closed, and stays in this process."""

    @property
    def make(self) -> Callable[[], object]:
        """Makes the example."""
        made: Callable[[], object] = getattr(data_shapes, self.example)
        return made

    @property
    def verdict(self) -> str:
        """What the page says of it."""
        if self.refused:
            return "refused"
        if self.reopened:
            return "reopened"
        return "carried, or refused there" if self.abroad else "carried"


_CLOSE = "close it and open it again after the move, or stay with `hetmig.pinned()`"

TABLE: dict[str, list[Row]] = {
    "Plain values": [
        Row("integers of any size, floats, ranges", "numbers", "as they are"),
        Row("text, with lone surrogates, too; bytes", "texts", "as they are"),
        Row(
            "`None`, `True`, `...`, `NotImplemented`, enum members, flags, classes, modules",
            "singletons",
            "the very one there, so `is` goes on being true",
        ),
        Row("`decimal`, `fractions`, complex numbers", "decimals", "as they are"),
        Row(
            "`datetime`, `zoneinfo`, `time.struct_time`",
            "dates",
            "a zone travels by its name: a destination that does not know it refuses (Windows has "
            "none of itself: `pip install tzdata`)",
            abroad="time zone",
        ),
        Row("`uuid`, codecs, `os.environ`", "identifiers", "`os.environ` is the destination's own"),
        Row("`re` patterns and matches", "patterns", "with their flags"),
        Row(
            "`random.Random`, `SystemRandom`",
            "generators_of_numbers",
            "goes on with the same numbers; a `SystemRandom` has no state",
        ),
    ],
    "Sets and dicts": [
        Row("of anything hashable", "hashed", "rebuilt with the hashes of the destination"),
        Row(
            "that hold an object which holds them",
            "cyclic_sets",
            "if the object's `__hash__` asks for plain attributes",
        ),
    ],
    "Arrays and buffers": [
        Row(
            "`array.array`",
            "arrays",
            "the type code is kept, sizes and byte order are the destination's",
        ),
        Row("`array.array` of negative numbers", "negative_arrays", "the same"),
        Row(
            "`array.array` of numbers that not every machine can hold",
            "wide_numbers",
            "refused where one does not fit",
            abroad="does not fit into 32 bits",
        ),
        Row(
            "`memoryview`: all, a range or every n-th item of an object, released",
            "views",
            "shows the same object as before",
        ),
        Row(
            "`memoryview` that was cast to numbers",
            "cast_views",
            "refused where these are other numbers",
            abroad="cast to 'i'",
        ),
        Row("`struct.Struct` with `<`, `>`, `!` or single bytes", "formats", "as it is"),
        Row(
            "`struct.Struct` in the machine's own format",
            "native_format",
            "refused where that is another one",
            abroad="begin the format with",
        ),
        Row("buffers of 64 KiB and more", "big_buffers", "beside the pickle, out of band"),
        Row("`mmap`", "memory_map", "copy what you need with `bytes(...)`", "memory-mapped"),
    ],
    "ctypes": [
        Row("simple values, NULL pointers", "c_values", "an integer type keeps its size"),
        Row("arrays, arrays of arrays", "c_arrays", "item by item"),
        Row("structures, nested, derived", "structures", "field by field; not what is between"),
        Row("bit fields", "bit_fields", "field by field"),
        Row("big- and little-endian structures", "endian_structures", "keep their byte order"),
        Row("parts of a structure", "c_parts", "share its memory as before"),
        Row("types", "c_types", "by name, or made again"),
        Row("unions whose fields are bytes", "unions", "as bytes"),
        Row(
            "other unions",
            "ambiguous_union",
            "as bytes, where these mean the same",
            abroad="laid out in another way",
        ),
        Row("pointers", "pointer", "hold what they point to", "a pointer means nothing"),
        Row("structures with pointers", "linked", "the same", "a pointer means nothing"),
        Row("function pointers", "function_pointer", "the same", "a pointer means nothing"),
        Row(
            "`from_buffer`, `from_address`, `in_dll`",
            "borrowed_memory",
            "use `from_buffer_copy`",
            "memory of something else",
        ),
        Row("libraries", "library", "load it again", "a library is loaded in this process"),
    ],
    "Paths": [
        Row(
            "`pathlib`, of both flavours",
            "paths",
            "a pure path as it is. A `Path` is one of the destination's system if it is relative; "
            "an absolute one is refused on the other kind of system",
            abroad="another kind of system",
        ),
    ],
    "Files and streams": [
        Row("`io.StringIO`, `BytesIO`", "streams", "at their position"),
        Row("`zipfile`, `tarfile` over a `BytesIO`", "archives", "as they are"),
        Row("closed files", "closed_file", "closed, with name and mode"),
        Row(
            'files that `hetmig.open` has opened, with `policy="reopen"`',
            "reopening_file",
            "at the position, if the destination has the same file; else refused",
            reopened=True,
        ),
        Row(
            'the same with `policy="carry"`',
            "carried_file",
            "the content goes along, and is a file of its own there; see [files](files.md)",
            is_open=True,
        ),
        Row(
            'the same with `policy="home"`, the default',
            "reopening_file",
            "of a task: stays open at its node, and is read and written there "
            "([files](files.md)); else as with `reopen`",
            reopened=True,
        ),
        Row(
            "other open files", "open_file", "open it with `hetmig.open`, or close it", "open file"
        ),
        Row("temporary files", "temporary_file", _CLOSE, "open file"),
        Row("temporary directories", "temporary_directory", _CLOSE, "temporary directory"),
        Row("`gzip` readers and writers", "gzip_reader", _CLOSE, "decompressor"),
        Row("`bz2` readers and writers", "bz2_reader", _CLOSE, "decompressor"),
        Row("`lzma` readers and writers", "lzma_reader", _CLOSE, "decompressor"),
        Row("open members of a zip file", "zip_member", _CLOSE, "decompressor"),
        Row("`zlib`, `bz2`, `lzma` compressors", "compressor", _CLOSE, "compressor"),
    ],
    "The process and the machine": [
        Row("locks, events, queues", "locks", "as they are; not what another thread holds"),
        Row("loggers", "loggers", "by name"),
        Row(
            "threads that have ended",
            "ended_thread",
            "ended; a machine that has no threads (WebAssembly) refuses",
            abroad="can't start new thread",
        ),
        Row("weak references", "weak_references", "if their object travels"),
        Row("live threads", "live_thread", "join it, or `hetmig.ignorable`", "is alive"),
        Row("sockets", "socket_", _CLOSE, "connection of this machine"),
        Row("database connections, cursors", "database", _CLOSE, "database connection"),
        Row("subprocesses", "process", "wait for it", "child process"),
        Row("pools", "pool", "shut it down", "pool of workers"),
        Row("event loops", "event_loop", "create it where it is used", "event loop"),
        Row("shared memory", "shared_memory", _CLOSE, "shared memory"),
        Row("`hashlib` objects", "hash_object", "keep the data, or the digest", "hash"),
        Row("`hmac` objects", "keyed_hash", "the same", "hash"),
    ],
    "Functions and your own types": [
        Row("`partial`, `lru_cache`, `itemgetter`", "partials", "a cache starts empty"),
        Row("iterators of the library", "library_iterators", "at their position"),
        Row("what was registered with `hetmig.register`", "registered", "as you say"),
    ],
}

_HEAD = """\
# Data

What happens to data whose bytes depend on the machine, and to what is tied to one or to a process.
Nothing arrives as something else without notice: where a value can't be the same, it is refused by
the name of its variable, at the source if nobody could have it, at the destination if only that
one can't; the task then goes on where it is.

**carried**: arrives with the same value, translated where sizes and byte orders differ.
**reopened**: made again from its name, and verified. **refused**: named, with what to do.

This page is made by `python -m tests.data`; tests dump and load each example, here and between
machines of other byte order, word size and Python version.
"""

_FOOT = """\
## Types of your own

<!-- before
import hetmig

class Connection:
    def __init__(self, address):
        self.address = address
-->
```python
hetmig.register(Connection, freeze=lambda c: c.address, thaw=Connection)
```
<!-- after
kept = hetmig.loads(hetmig.dumps([Connection("robot:1")]))
assert (type(kept[0]), kept[0].address) == (Connection, "robot:1")
-->

`freeze(obj)` gives a state, `thaw(state)` an object. The state may be anything that travels, but
must not lead back to the object. Objects that several variables share are thawed once. With
`subclasses=True` derived types are meant, too. What was registered travels with the task, so a
script need not say it again at the destination.

## Where a task must stay

```python
with hetmig.pinned("talks to the robot"):
    ...
```

In this block the task does not move: a request waits until it has ended, and at its deadline is
refused with the reason and the line of the `with`. It may be nested, and stand in generators and
coroutines: one which is suspended inside of the block pins the task as well.

## Files

`hetmig.open(path, mode, policy=...)` opens a file like the built-in `open`. After a move it is open
still, at the same position, with the same mode, encoding and newlines. Where its bytes are then the
policy says: [files](files.md).

## numpy

numpy is optional. What follows needs it on both sides.

- Arrays and scalars of all dtypes that say their size: carried, in the byte order of the
  destination if they were in that of the source. `intp` is the integer of the source's size.
  `longdouble` and `clongdouble` are refused: use `astype("float64")`.
- Views of one memory which travel together go on sharing it: arrays and their slices, transposed
  and reshaped ones, arrays over a `bytearray`, arrays of objects. If only one of them travels, it
  takes its own part of the memory along, no more. A *masked* array that shares its data is refused.
- Structured arrays, `recarray`, `matrix`, masked arrays, `datetime64`, strings, objects, random
  generators: carried. Read-only stays read-only. Between numpy 1 and 2, too, but for random
  generators, which 1 refuses from 2.
- `memmap`, and what shows its memory: refused.
- Contiguous arrays of 64 KiB and more travel beside the pickle, uncopied.
"""


def rendered() -> str:
    """The page."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _HEAD
    for section, rows in TABLE.items():
        yield f"## {section}\n"
        yield "| data | outcome | |"
        yield "|---|---|---|"
        for row in rows:
            yield f"| {row.kind} | {row.verdict} | {row.note} |"
        yield ""
    yield _FOOT


if __name__ == "__main__":
    PAGE.write_text(rendered(), "utf-8")
