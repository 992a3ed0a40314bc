"""What every test shares: other interpreters, nodes on loopback, Hypothesis without chance."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests import interpreters
from tests.other_versions import Beside

if TYPE_CHECKING:
    from hetmig.client import Nodes
    from hetmig.node.embedded import LocalNodes

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background by a shell: what the tests start would ignore Ctrl-C as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)


# A run that is told to end does so like one that Ctrl-C ended: it takes what it started with it.
signal.signal(signal.SIGTERM, signal.default_int_handler)

hypothesis.settings.register_profile(
    "hetmig",
    derandomize=True,  # the same examples everywhere, so that a failure is not of one run only
    deadline=None,  # machines differ; time is measured in benchmarks/
    print_blob=True,
)
hypothesis.settings.load_profile("hetmig")


_BESIDE = pytest.StashKey[Beside]()


def _interpreter_of(item: pytest.Item) -> str:
    """Which other interpreter a test waits for; "" for all other tests."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return str(parameters.get("interpreter", ""))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who waits for another interpreter comes last."""
    items.sort(key=lambda item: bool(_interpreter_of(item)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the tests begin that other interpreters run: minutes each, beside those of this one."""
    names = [name for item in session.items if (name := _interpreter_of(item))]
    if names and not session.config.option.collectonly:
        session.stash[_BESIDE] = Beside(names)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what was not waited for."""
    if _BESIDE in session.stash:
        session.stash[_BESIDE].close()


@pytest.fixture
def beside(request: pytest.FixtureRequest) -> Beside:
    """The tests that other interpreters run."""
    return request.session.stash[_BESIDE]


@pytest.fixture(scope="session")
def foreign() -> Callable[[str], Path]:
    """Give an interpreter by name (`foreign("s390x")`), or skip the test and say which is missing.

    The names are those of `hetmig.targets.TARGETS`; "3.12" and the like are the host's own.
    """
    return interpreters.target


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """A bucket of moto's server, and the environment that leads to it.

    One for the whole run: s3fs keeps its connections, and would ask a later one's predecessor.
    """
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    with pytest.MonkeyPatch.context() as patch:
        server.start()
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem().mkdir("bucket")
        yield "s3://bucket"
        server.stop()


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalNodes]:
    """Nodes on loopback; a module or folder that wants more, or fewer, has a fixture of its own."""
    from hetmig.node.embedded import LocalNodes  # only where ZeroMQ is there

    with LocalNodes(2) as local:
        yield local


@pytest.fixture
def nodes(cluster: LocalNodes) -> Iterator[Nodes]:
    """A connection to the first of them."""
    from hetmig.client import connect

    with connect(cluster[0], keys=cluster.keys, echo=False) as connection:
        yield connection
