"""Who may talk to whom: the CURVE keys of this user or node, and the keys it authorises.

A key directory looks like this; every file is a certificate in ZeroMQ's own text format:

    self.key            our public key, to be copied to others
    self.key_secret     our secret key, readable by its owner only
    next.key_secret     while our key is being exchanged: the next one
    authorized/*.key    public keys of those who may connect to us, with name, endpoint and rights

A file of `authorized` that does not say which rights it gives, gives all of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import ipaddress
import logging
import os
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import zmq
from zmq.utils import z85

from hetmig.errors import HetmigError, NodeUnreachable
from hetmig.node.caller import ALL, RUN, parse_rights

__all__ = [
    "Certificate",
    "Identity",
    "Keyring",
    "check_endpoint",
    "default_directory",
    "endpoint_for_others",
    "is_loopback",
]

_log = logging.getLogger("hetmig")
_PAIR = re.compile(r'^\s*([a-z-]+)\s*=\s*"([^"\r\n]*)"\s*$', re.MULTILINE)
_ENDPOINT = re.compile(r"tcp://(?:\[[0-9a-fA-F:.]+\]|[^\s/:\[\]]+):(\d{1,5}|\*)")
_NEXT, _PREVIOUS = "self.next", "self.previous"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_EDITED_SECONDS = 0.25
"""A file of a key that is edited in place counts within this time."""


@dataclass(frozen=True)
class Identity:
    """A key pair, both halves as the 40 characters of Z85 that ZeroMQ uses."""

    public: bytes
    secret: bytes

    @classmethod
    def generate(cls) -> Identity:
        """A fresh pair.  Raises HetmigError where libzmq was built without CURVE."""
        if not zmq.has("curve"):
            raise HetmigError("this libzmq has no CURVE: install pyzmq from PyPI, built with it")
        return cls(*zmq.curve_keypair())

    def __repr__(self) -> str:
        return f"Identity({self.public.decode()})"  # the secret stays out of logs


@dataclass(frozen=True)
class Certificate:
    """The public key of somebody else, and how they are reached."""

    public: bytes
    name: str = ""
    endpoint: str = ""
    rights: frozenset[str] = ALL
    """What its owner may do here; see `hetmig.node.rights`."""


def default_directory() -> Path:
    """Where this user's keys live: `$XDG_CONFIG_HOME/hetmig/keys`."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return Path(base) / "hetmig" / "keys"


def check_endpoint(text: str) -> str:
    """The same text if it can be the endpoint of a node; raises HetmigError otherwise."""
    match = _ENDPOINT.fullmatch(text)
    if match is None or (match[1] != "*" and int(match[1]) > 65535):
        raise HetmigError(f"{text!r} is no address of a node: that is tcp://HOST:PORT")
    return text


def is_loopback(endpoint: str) -> bool:
    """Whether only this machine can reach the endpoint (`tcp://HOST:PORT`)."""
    host = urlsplit(endpoint).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # another name: who knows what it resolves to


def _is_of_this_machine(endpoint: str) -> bool:
    """Whether the endpoint is one of this machine's addresses, given as numbers."""
    try:
        address = ipaddress.ip_address(urlsplit(endpoint).hostname or "")
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except (ValueError, OSError):
        return False
    return True


def endpoint_for_others(endpoint: str) -> str:
    """Where others reach what listens at `endpoint`, as well as we can tell.

    "All addresses" is none to connect to: in its place stands the one from which this machine
    talks to the world, or its name if it is on no such network.
    """
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    if host not in ("0.0.0.0", "[::]"):
        return endpoint
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # reserved for documentation; nothing is sent
            host = probe.getsockname()[0]
        except OSError:
            host = socket.gethostname()
    return f"tcp://{host}:{port}"


class Keyring:
    """One key directory, read again whenever its files change."""

    def __init__(self, directory: Path, identity: Identity) -> None:
        self.directory = directory
        self.identity = identity
        self._authorized = str(directory / "authorized")
        self._stamp: object = None
        self._folder: object = None
        self._look_again = 0.0
        self._entries: list[Certificate] = []
        self._rights: dict[bytes, frozenset[str]] = {}

    @classmethod
    def open(cls, directory: str | os.PathLike[str] | None = None) -> Keyring:
        """The keys in `directory`; the user's own, made at first use, if that is None.

        Raises HetmigError when a directory was named and holds no keys.
        """
        path = default_directory() if directory is None else Path(directory)
        if not (path / "self.key_secret").exists():
            if directory is not None:
                raise HetmigError(f"no keys in {path}: make them with `hetmig keys init {path}`")
            return cls.create(path)
        return cls(path, _identity(path / "self.key_secret"))

    @classmethod
    def create(cls, directory: str | os.PathLike[str]) -> Keyring:
        """Make a key directory with a fresh identity; an existing one is left as it is."""
        path = Path(directory)
        authorized = path / "authorized"
        authorized.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
        identity = Identity.generate()
        try:
            _write_secret(path / "self.key_secret", identity)
        except FileExistsError:  # two first uses at once: the loser takes the winner's keys
            return cls.open(path)
        (path / "self.key").write_text(_text({}, {"public-key": identity.public}))
        return cls(path, identity)

    def entries(self) -> list[Certificate]:
        """Everybody who is authorised, by name if they have one; we ourselves are the first.

        A key may be there under several names, each with an endpoint of its own.
        """
        self._refresh()
        return self._entries

    def _refresh(self) -> None:
        """Read the directory, if it has changed: what is withdrawn counts for no message more.

        A file that is added, replaced or removed changes its directory, at which each message
        looks; at all files, which somebody may have edited in place, one looks once in a while.
        """
        now, folder = time.monotonic(), _folder_stamp(self._authorized)
        if self._stamp is not None and folder == self._folder and now < self._look_again:
            return
        stamp = _stamps(self._authorized)
        # its clock may be coarse: what changed just now may change once more, and look the same
        is_settled = folder is None or abs(time.time() - folder[0] / 1e9) > _EDITED_SECONDS
        self._folder, self._look_again = folder, now + _EDITED_SECONDS * is_settled
        if stamp == self._stamp:
            return
        read = [_authorization(Path(path)) for path in sorted(stamp)]
        self._entries = [Certificate(self.identity.public), *filter(None, read)]
        self._rights = {}
        for entry in self._entries:
            given = self._rights.get(entry.public, frozenset())
            self._rights[entry.public] = given | entry.rights
        self._stamp = stamp

    def is_authorized(self, public: bytes) -> bool:
        """Whether the owner of this public key may connect to us."""
        return bool(self.rights(public))

    def rights(self, public: bytes) -> frozenset[str]:
        """What the owner of this public key may do here: the rights under all its names."""
        self._refresh()
        return self._rights.get(public, frozenset())

    def is_node(self, public: bytes) -> bool:
        """Whether tasks may come from, and go to, a node that has this key."""
        return RUN in self.rights(public)

    def add(
        self,
        public: bytes | str,
        name: str,
        endpoint: str = "",
        rights: frozenset[str] = ALL,
    ) -> Path:
        """Authorise a public key under a name; `endpoint` says where its node listens."""
        _check_name(name)
        public = z85_key(public)
        file = self.directory / "authorized" / f"{name}.key"
        file.parent.mkdir(parents=True, exist_ok=True)
        about = {"name": name, "endpoint": endpoint, "rights": ",".join(sorted(rights))}
        text = _text(about, {"public-key": public})
        partial = file.with_suffix(".tmp")
        partial.write_text(text)
        partial.replace(file)
        return file

    def remove(self, name: str) -> None:
        """Withdraw the authorisation given under this name."""
        file = self.directory / "authorized" / f"{name}.key"
        if not _NAME.fullmatch(name) or not file.exists():
            raise HetmigError(f"no key named {name!r} in {self.directory}")
        file.unlink()

    def export(self, name: str, endpoint: str = "") -> str:
        """The text of our public certificate, for `hetmig keys add` on another machine.

        In the middle of a rotation it is that of the next identity.
        """
        _check_name(name)
        public = (self.next_identity() or self.identity).public
        return _text({"name": name, "endpoint": endpoint}, {"public-key": public})

    # Rotation ---------------------------------------------------------------------------------

    def next_identity(self) -> Identity | None:
        """The identity that `prepare_rotation` has made, if it is not in use yet."""
        file = self.directory / "next.key_secret"
        return _identity(file) if file.exists() else None

    def prepare_rotation(self) -> Identity:
        """Make the next identity, or find the one made before; both are authorised from here on."""
        identity = self.next_identity()
        if identity is None:
            identity = Identity.generate()
            _write_secret(self.directory / "next.key_secret", identity)
        self.add(identity.public, _NEXT)
        return identity

    def finish_rotation(self) -> Identity:
        """Let the next identity take the place of ours, which stays authorised as `self.previous`.

        Raises HetmigError if there is none.
        """
        identity = self.next_identity()
        if identity is None:
            raise HetmigError(
                f"no next key in {self.directory}: begin with `hetmig keys rotate --begin`"
            )
        self.add(self.identity.public, _PREVIOUS)
        os.replace(self.directory / "next.key_secret", self.directory / "self.key_secret")
        (self.directory / "self.key").write_text(_text({}, {"public-key": identity.public}))
        self.remove(_NEXT)
        self.identity, self._stamp = identity, None
        return identity

    def find(self, target: str) -> Certificate:
        """The certificate of a node given by name or endpoint.

        An unknown endpoint on this machine is taken for a node of this very user, with our own key.
        Raises NodeUnreachable when nothing is known of it.
        """
        for certificate in self.entries():
            if certificate.endpoint and target in (certificate.name, certificate.endpoint):
                return certificate
        if target.startswith("tcp://") and (is_loopback(target) or _is_of_this_machine(target)):
            return Certificate(self.identity.public, endpoint=target)
        if "://" in target:
            check_endpoint(target)
        elif re.fullmatch(r".+:\d+", target):
            raise NodeUnreachable(f"{target} is no address of a node: that is tcp://{target}")
        else:
            raise NodeUnreachable(
                f"no node named {target!r} is among our keys: say its address, tcp://HOST:PORT, or "
                f"add it with `hetmig keys add FILE --name {target} --endpoint tcp://HOST:PORT`"
            )
        raise NodeUnreachable(
            f"no key is known for {target}: add it with `hetmig keys add FILE --endpoint {target}`"
        )

    def __iter__(self) -> Iterator[Certificate]:
        return iter(self.entries())


def read_certificate(file: str | os.PathLike[str]) -> Certificate:
    """A public certificate from its file.  Raises HetmigError if it is none."""
    pairs = _read(Path(file))
    if "public-key" not in pairs:
        raise HetmigError(
            f"there is no public key in {file}: is it what `hetmig keys export` wrote?"
        )
    name, endpoint = pairs.get("name", ""), pairs.get("endpoint", "")
    return Certificate(_key(pairs, "public-key"), name, endpoint)


def _identity(file: Path) -> Identity:
    """The key pair in a secret file."""
    pairs = _read(file)
    return Identity(_key(pairs, "public-key"), _key(pairs, "secret-key"))


def _write_secret(path: Path, identity: Identity) -> None:
    """Readable by its owner only, from the beginning.  Raises FileExistsError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(_text({}, {"public-key": identity.public, "secret-key": identity.secret}))


def _folder_stamp(folder: str) -> tuple[int, int] | None:
    """What changes when a file comes into the directory or leaves it.

    Asked for each message: `pathlib`, or a look at each file, would take longer than the rest.
    """
    try:
        found = os.stat(folder)
    except OSError:  # it is not there, or can't be read
        return None
    return found.st_mtime_ns, found.st_ino


def _stamps(folder: str) -> dict[str, tuple[int, ...]]:
    """For each file that authorises somebody, what changes when it does."""
    stamps: dict[str, tuple[int, ...]] = {}
    # one that is not there, or can't be read, authorises nobody
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if os.path.normcase(entry.name).endswith(".key"):
                with contextlib.suppress(FileNotFoundError):  # withdrawn in this very moment
                    found = os.stat(entry.path)
                    stamps[entry.path] = found.st_mtime_ns, found.st_size, found.st_ino
    return stamps


def _authorization(file: Path) -> Certificate | None:
    """What one file authorises: nothing, if it is not in order; the others count all the same."""
    try:
        pairs = _read(file)
        certificate = read_certificate(file)
        rights = parse_rights(pairs["rights"]) if "rights" in pairs else ALL
    except HetmigError as error:
        _log.error("%s authorizes nobody: %s", file, error)
        return None
    return dataclasses.replace(certificate, rights=rights)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise HetmigError(f"{name!r} is no name for a key: use letters, digits, dot and dash")


def z85_key(text: bytes | str) -> bytes:
    """Check that this is a CURVE key in Z85 and return it as bytes."""
    data = text.encode() if isinstance(text, str) else text
    if not _is_key(data):
        raise HetmigError(f"{text!r} is no CURVE key: those are 40 characters of Z85")
    return data


@functools.lru_cache(4096)
def _is_key(data: bytes) -> bool:
    """Remembered, as pyzmq's decoding is a Python loop, and a node has few peers."""
    try:
        return len(data) == 40 and len(z85.decode(data)) == 32
    except (KeyError, ValueError, OverflowError):
        return False


def _key(pairs: dict[str, str], name: str) -> bytes:
    return z85_key(pairs.get(name, ""))


def _read(file: Path) -> dict[str, str]:
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise HetmigError(f"the key file {file} cannot be read: {error}") from error
    return dict(_PAIR.findall(text))


def _text(metadata: dict[str, str], keys: dict[str, bytes]) -> str:
    for value in metadata.values():
        if '"' in value or "\n" in value or "\r" in value:
            raise HetmigError(f"{value!r} cannot stand in a certificate")
    lines = ["# A ZeroMQ CURVE certificate, made by hetmig", "metadata"]
    lines += [f'    {name} = "{value}"' for name, value in metadata.items()]
    lines += ["curve"]
    lines += [f'    {name} = "{value.decode()}"' for name, value in keys.items()]
    return "\n".join(lines) + "\n"
