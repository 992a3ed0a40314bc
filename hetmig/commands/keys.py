"""`hetmig keys`: who may talk to whom, for nodes and clients on several machines.

Each user has one key pair per machine, made at first use, which is all that is needed on one
machine. Between machines, each side exports its public key and the other adds it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetmig.commands.common import (
    EXIT_OK,
    UsageError,
    add_command,
    add_keys_option,
    console,
    endpoint,
    open_nodes,
    plain,
    print_json,
)
from hetmig.errors import HetmigError

if TYPE_CHECKING:
    from hetmig.node.keys import Certificate, Keyring

__all__ = ["add_parser"]

EXAMPLES = """
hetmig keys export --name laptop --output laptop.key      on the laptop
hetmig keys add laptop.key                                on arm-box, after copying the file
hetmig keys export --name arm-box --endpoint tcp://arm-box:7717 --output arm-box.key
hetmig keys add arm-box.key                               on the laptop
hetmig keys list
hetmig keys authorize laptop --rights submit,observe
hetmig keys remove laptop
hetmig keys init ./cluster-keys                           a separate set, for --keys
"""

_RIGHTS = "some of submit, run, observe and admin with commas between, or all"
AUTHORIZE = """gives a public key rights here, in place of those it had under this name.

submit: hand tasks in; see, move and end one's own, and have their results.
run: be a node that tasks move to and come from.
observe: see all tasks and their output, but no results.
admin: drain and end the node, authorise keys, move and end anybody's tasks.
Whoever has submit, run or admin can run any code here.
"""
AUTHORIZE_EXAMPLES = """
hetmig keys authorize laptop.key --rights submit,observe
hetmig keys authorize laptop --rights observe            changes what it may do
hetmig keys authorize ops.key --rights admin --node arm-box
"""
ROTATE = """exchanges our own key for a fresh one, in two steps with an overlap.

Between them both keys are valid: export the next one and let the others add it, under another name
than the present one. After --finish start the node anew; the others remove the old name then.
"""
ROTATE_EXAMPLES = """
hetmig keys rotate --begin
hetmig keys export --name arm-box-2027 --output next.key     the next one, for the others to add
hetmig keys rotate --finish
hetmig keys remove self.previous                         when nobody uses the old one any more
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

    verb = add_command(verbs, "add", run_authorize, "authorises a public key, with all rights.")
    _add_key_options(verb)
    verb.add_argument("--rights", metavar="RIGHTS", default="all", help=_RIGHTS)

    verb = add_command(verbs, "authorize", run_authorize, AUTHORIZE, AUTHORIZE_EXAMPLES)
    _add_key_options(verb)
    verb.add_argument("--rights", metavar="RIGHTS", required=True, help=_RIGHTS)

    verb = add_command(verbs, "remove", run_remove, "withdraws an authorisation.")
    verb.add_argument("name", metavar="NAME")
    _add_place(verb)

    verb = add_command(verbs, "rotate", run_rotate, ROTATE, ROTATE_EXAMPLES)
    step = verb.add_mutually_exclusive_group(required=True)
    step.add_argument("--begin", action="store_true", help="make the next key; ours stays in use")
    step.add_argument("--finish", action="store_true", help="use the next key from now on")
    add_keys_option(verb)


def _add_key_options(verb: argparse.ArgumentParser) -> None:
    key = "an exported file, the 40 characters, or the name of a key that is authorised already"
    verb.add_argument("key", metavar="FILE|PUBLIC|NAME", help=key)
    verb.add_argument("--name", help="what we call it; default: as it was exported")
    verb.add_argument("--endpoint", metavar="URL", type=endpoint, help="where its node listens")
    _add_place(verb)


def _add_place(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--node", metavar="NODE", help="do it at that node, where we need the right admin"
    )
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
            {
                "name": entry.name,
                "endpoint": entry.endpoint,
                "public": entry.public.decode(),
                "rights": sorted(entry.rights),
            }
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
            f"  {','.join(sorted(entry.rights))}  {plain(entry.endpoint)}"
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


def run_authorize(arguments: argparse.Namespace) -> int:
    """Give rights to a key from a file, given itself, or known by its name."""
    from hetmig.node.caller import ALL, parse_rights
    from hetmig.node.keys import Keyring

    ring = Keyring.open(arguments.keys)
    try:
        rights = parse_rights(arguments.rights)
    except HetmigError as error:
        raise UsageError(str(error)) from None
    certificate = _certificate(arguments.key, ring)
    name = arguments.name or certificate.name
    if not name:
        raise UsageError("this key has no name of its own: give it one with --name")
    where = certificate.endpoint if arguments.endpoint is None else arguments.endpoint
    listed = ",".join(sorted(rights))
    if arguments.node is not None:
        with open_nodes(arguments, echo=False) as nodes:
            place = nodes.authorize(certificate.public, name, listed, where)
    else:
        place = str(ring.add(certificate.public, name, where, rights))
    code = "" if rights == {"observe"} else ", and so run code"
    what = "everything" if rights == ALL else listed
    print(f"{name} may {'do ' if rights == ALL else ''}{what} here{code} ({place})")
    if arguments.node is None:
        _warn_of_other_names(ring, certificate.public, name, rights)
    return EXIT_OK


def _warn_of_other_names(ring: Keyring, public: bytes, name: str, rights: frozenset[str]) -> None:
    """A key has the rights under all its names: one of them alone takes none away."""
    more = ring.rights(public) - rights
    if public == ring.identity.public:
        print("it is our own key, which may always do everything here")
    elif more:
        others = [entry.name for entry in ring if entry.public == public and entry.name != name]
        print(f"its key is authorized as {', '.join(others)} too, and so may {','.join(more)}")


def _certificate(key: str, ring: Keyring) -> Certificate:
    from hetmig.node.keys import Certificate, read_certificate, z85_key

    if Path(key).is_file():
        return read_certificate(key)
    for entry in ring:
        if entry.name == key:
            return entry
    try:
        public = z85_key(key)
    except HetmigError:
        raise UsageError(f"{key!r} is neither a file nor a key, nor the name of one") from None
    known = [entry for entry in ring if entry.public == public and entry.name]
    return known[0] if known else Certificate(public)


def run_rotate(arguments: argparse.Namespace) -> int:
    """One of the two steps in which a key is exchanged."""
    from hetmig.node.keys import Keyring

    ring = Keyring.open(arguments.keys)
    if arguments.begin:
        identity = ring.prepare_rotation()
        print(f"the next public key: {identity.public.decode()}")
        print(
            "ours is still in use; `hetmig keys export` writes the next one, for all others to add"
            " under a name of its own, then `hetmig keys rotate --finish`"
        )
    else:
        identity = ring.finish_rotation()
        print(f"our public key is now {identity.public.decode()}: start this machine's nodes anew")
        print("the old one is authorized here as self.previous until you remove that")
    return EXIT_OK


def run_remove(arguments: argparse.Namespace) -> int:
    """Withdraw the authorisation, for open connections too."""
    from hetmig.node.keys import Keyring

    if arguments.node is not None:
        with open_nodes(arguments, echo=False) as nodes:
            place = nodes.revoke(arguments.name)
        print(f"removed {arguments.name} at {place}")
        return EXIT_OK
    ring = Keyring.open(arguments.keys)
    before = {entry.name: entry.public for entry in ring}
    ring.remove(arguments.name)
    public = before.pop(arguments.name, None)
    if same := sorted(name for name, key in before.items() if key == public):
        print(f"removed {arguments.name}, but its key is still authorized as {', '.join(same)}")
    else:
        print(
            f"{arguments.name} may not connect any more; what is connected now is not answered;"
            " its tasks go on until somebody ends them"
        )
    return EXIT_OK
