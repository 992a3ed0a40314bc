"""The standard library's tests that say nothing about a file at another node, and why."""

_DESCRIPTOR = "asks for the file's descriptor, which no other process has"
_SUBCLASS = "derives a class of its own from FileIO; the test is of that"

REASONS = {
    "CIOTest.test_closefd_attr": _DESCRIPTOR,
    "CIOTest.test_fileio_closefd": _DESCRIPTOR,
    "CIOTest.test_fspath_support": _DESCRIPTOR,
    "CIOTest.test_read_closed": _DESCRIPTOR,
    "CMiscIOTest.test_attributes": _DESCRIPTOR,
    "CAutoFileTests.testBlksize": _DESCRIPTOR,
    "CAutoFileTests.testErrnoOnClose": f"{_DESCRIPTOR}, and closes it behind its back",
    "CIOTest.test_destructor": _SUBCLASS,
    "COtherFileTests.testUnclosedFDOnException": _SUBCLASS,
    "CTextIOWrapperTest.test_telling": "tell() works here while the file is iterated over, too",
    "CAutoFileTests.testRepr": "the repr names the type, which is another one",
}


def reason_for(name: str) -> str:
    """Why a test (`Class.method`) is left out; "" if it is not."""
    exact = REASONS.get(name)
    if exact is not None:
        return exact
    of_closed = "CAutoFileTests.testErrnoOnClose"
    return REASONS[of_closed] if name.startswith(of_closed) else ""
