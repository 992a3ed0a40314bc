"""`hetmig keys`: who may talk to whom, for nodes and clients on several machines.

Each user has one key pair per machine, made at first use, which is all that is needed on one
machine. Between machines, each side exports its public key and the other adds it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from hetmig.commands.common import (
    EXIT_OK,
    UsageError,
    add_command,
    add_keys_option,
    console,
    endpoint,
    plain,
    print_json,
)
from hetmig.errors import HetmigError

__all__ = ["add_parser"]

EXAMPLES = """
hetmig keys export --name laptop --output laptop.key      on the laptop
hetmig keys add laptop.key                                on arm-box, after copying the file
hetmig keys export --name arm-box --endpoint tcp://arm-box:7717 --output arm-box.key
hetmig keys add arm-box.key                               on the laptop
hetmig keys list
hetmig keys remove laptop
hetmig keys init ./cluster-keys                           a separate set, for --keys
"""


def add_parser(commands: Any) -> None:
    """Add this command and its own commands to the parser."""
    parser = add_command(commands, "keys", run_list, __doc__, EXAMPLES)
    verbs = parser.add_subparsers(metavar="VERB", title="verbs", required=True)

    verb = add_command(verbs, "init", run_init, "makes a directory of keys with a fresh identity.")
    verb.add_argument("directory", metavar="DIR", nargs="?", help="default: this user's own")

    verb = add_command(verbs, "list", run_list, "shows our public key and whom it authorises.")
    add_keys_option(verb)
    verb.add_argument("--json", action="store_true", help="for programs")

    verb = add_command(verbs, "export", run_export, "writes our public key for others to add.")
    verb.add_argument("--name", required=True, help="what others shall call us")
    verb.add_argument("--endpoint", metavar="URL", type=endpoint, help="where our node listens")
    verb.add_argument("--output", metavar="FILE", help="default: standard output")
    add_keys_option(verb)

    verb = add_command(verbs, "add", run_add, "authorises a public key to run code here.")
    verb.add_argument("key", metavar="FILE|PUBLIC", help="an exported file, or the 40 characters")
    verb.add_argument("--name", help="what we call it; default: as it was exported")
    verb.add_argument("--endpoint", metavar="URL", type=endpoint, help="where its node listens")
    add_keys_option(verb)

    verb = add_command(verbs, "remove", run_remove, "withdraws an authorisation.")
    verb.add_argument("name", metavar="NAME")
    add_keys_option(verb)


def run_init(arguments: argparse.Namespace) -> int:
    """Make the directory; one that has keys already stays as it is."""
    from hetmig.node.checkpoint_keys import own_secret
    from hetmig.node.keys import Keyring, default_directory

    directory = Path(arguments.directory) if arguments.directory else default_directory()
    there = (directory / "self.key_secret").exists()
    ring = Keyring.create(directory)
    own_secret(directory)
    print(f"{'kept the keys' if there else 'made keys'} in {directory}")
    print(f"public key: {ring.identity.public.decode()}")
    return EXIT_OK


def run_list(arguments: argparse.Namespace) -> int:
    """Print the directory, ourselves, and the others."""
    from hetmig.node.keys import Keyring

    ring = Keyring.open(arguments.keys)
    others = [entry for entry in ring if entry.public != ring.identity.public]
    if arguments.json:
        rows = [
            {"name": entry.name, "endpoint": entry.endpoint, "public": entry.public.decode()}
            for entry in others
        ]
        public = ring.identity.public.decode()
        print_json({"directory": str(ring.directory), "public": public, "authorized": rows})
        return EXIT_OK
    out = console()
    out.print(f"keys in {plain(ring.directory)}")
    out.print(f"our public key: {plain(ring.identity.public.decode())}")
    out.print("authorized: ourselves" + (" only" if not others else " and"))
    for entry in others:
        out.print(
            f"  [bold]{plain(entry.name):<16}[/] {plain(entry.public.decode())}"
            f"  {plain(entry.endpoint)}"
        )
    return EXIT_OK


def run_export(arguments: argparse.Namespace) -> int:
    """Write the certificate; there is nothing secret in it."""
    from hetmig.node.keys import Keyring

    text = Keyring.open(arguments.keys).export(arguments.name, arguments.endpoint or "")
    if arguments.output is None:
        sys.stdout.write(text)
    else:
        try:
            Path(arguments.output).write_text(text)
        except OSError as error:
            raise UsageError(f"{arguments.output}: {error.strerror}") from None
        print(f"wrote {arguments.output}: copy it to the others and `hetmig keys add` it there")
    return EXIT_OK


def run_add(arguments: argparse.Namespace) -> int:
    """Authorise a key from a file, or given itself."""
    from hetmig.node.keys import Certificate, Keyring, read_certificate, z85_key

    ring = Keyring.open(arguments.keys)
    if Path(arguments.key).is_file():
        certificate = read_certificate(arguments.key)
    else:
        try:
            certificate = Certificate(z85_key(arguments.key))
        except HetmigError:
            raise UsageError(f"{arguments.key!r} is neither a file nor a key") from None
    name = arguments.name or certificate.name
    if not name:
        raise UsageError("this key has no name of its own: give it one with --name")
    where = certificate.endpoint if arguments.endpoint is None else arguments.endpoint
    file = ring.add(certificate.public, name, where)
    print(f"{name} may now run code here ({file})")
    return EXIT_OK


def run_remove(arguments: argparse.Namespace) -> int:
    """Withdraw the authorisation; open connections stay until they end."""
    from hetmig.node.keys import Keyring

    ring = Keyring.open(arguments.keys)
    before = {entry.name: entry.public for entry in ring}
    ring.remove(arguments.name)
    public = before.pop(arguments.name, None)
    if same := sorted(name for name, key in before.items() if key == public):
        print(f"removed {arguments.name}, but its key is still authorized as {', '.join(same)}")
    else:
        print(
            f"{arguments.name} may not connect any more;"
            " what is connected now stays so until it ends"
        )
    return EXIT_OK
