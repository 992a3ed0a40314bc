"""Every error hetmig raises: one root, and each says what to do next.

An error carries data, not only a sentence: what could not move (`variable`), where it stood
(`frame`), which node said so (`node`).  All of them survive pickling, because many travel from a
runner to its node and on to the submitter before anybody reads them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = [
    "ActorLost",
    "AlreadyThere",
    "CheckpointFailed",
    "DivisionRefused",
    "FileLost",
    "FileUnreachable",
    "ForgedParcel",
    "FrameAddress",
    "HetmigError",
    "HomeMoved",
    "InMotion",
    "InitializerFailed",
    "JournalError",
    "LockLost",
    "MailboxFull",
    "MessageTooLarge",
    "MigrationRefused",
    "NameTaken",
    "NeedsNotMet",
    "NoCheckpoint",
    "NoReply",
    "NoSuchObject",
    "NoSuchTask",
    "NodeUnreachable",
    "NotConnected",
    "NotHere",
    "NotInTask",
    "NotMigratable",
    "NotReceived",
    "ParcelError",
    "ParcelTooLarge",
    "ProtocolError",
    "QuotaExceeded",
    "RemoteTraceback",
    "SourceChanged",
    "SubmitterGone",
    "TargetUnavailable",
    "TaskFailed",
    "TaskLost",
    "TooLarge",
    "TruncatedParcel",
    "Unauthorized",
    "UnsupportedFormat",
    "UnsupportedInterpreter",
    "VersionMismatch",
]


class RemoteTraceback(Exception):
    """The traceback of a task's exception, as text; it is the `__cause__` of that exception."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


class FrameAddress(NamedTuple):
    """Where in the user's program something stood."""

    function: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.function} ({self.file}:{self.line})"


class HetmigError(Exception):
    """The root of all errors of this package.  Catch it to catch them all."""

    def __init__(self, message: str, **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.data = data

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.data), self.__dict__


def _rebuild(cls: type[HetmigError], message: str, data: dict[str, Any]) -> HetmigError:
    error = cls.__new__(cls)
    HetmigError.__init__(error, message, **data)
    return error


class NotMigratable(HetmigError):
    """The task could not be moved from where it stands; it goes on unharmed.

    Read `reason`: close or drop the variable it names, leave the C call it names, or ask again
    later with a longer deadline.
    """

    def __init__(
        self,
        reason: str,
        *,
        frame: FrameAddress | None = None,
        variable: str | None = None,
        **data: Any,
    ) -> None:
        where = f", in {frame}" if frame else ""
        super().__init__(f"{reason}{where}", **data)
        self.reason = reason
        self.frame = frame
        self.variable = variable


class MigrationRefused(NotMigratable):
    """The destination refused the task before it was committed; it goes on at the source.

    Read the reason the destination gave, change what it names, or choose another node.
    """


class NeedsNotMet(MigrationRefused):
    """A node lacks something that the task needs, or no node known there has it all.

    `data["missing"]` says what, in words.  Give it to a node (`hetmig node --label --resource
    --data`), wait until a resource is free again, or ask for less.
    """


class SourceChanged(MigrationRefused):
    """A function that is in the middle of something is another one at the destination.

    `data` has the `function` and the fingerprints of its code: `needed`, and the one `present`
    there (None if it does not exist).  Have the same version of its module on both sides.
    """


class AlreadyThere(NotMigratable):
    """The task is on that very node.  There is nothing to do."""


class InMotion(NotMigratable):
    """The task was moving, or about to, when it was asked to.  Ask again.

    `Task.migrate` asks again by itself until its time is up.
    """


class NotHere(InMotion):
    """A node was asked about a task that is not on it, and does not know where it is.

    Nodes look further by themselves; who sees this asks again.
    """


class UnsupportedInterpreter(HetmigError):
    """The self-check could not prove where this interpreter keeps a frame's parts.

    Run `hetmig doctor` for the details and use a CPython that it accepts.
    """


class NotInTask(HetmigError):
    """`hetmig.migrate` and its like were called outside a task.

    Submit the function to a node (`nodes.submit`) or start the script with `hetmig run`.
    """


class ParcelError(HetmigError):
    """A parcel was rejected before anything in it was unpickled.  Ask its sender for a new one."""


class TruncatedParcel(ParcelError):
    """The parcel ends too early, or its lengths contradict each other.  Transfer it again."""


class ForgedParcel(ParcelError):
    """The parcel's authentication code is not ours: changed on the way, or another key.

    Check that both sides use the same keys; never load it without.
    """


class UnsupportedFormat(ParcelError):
    """Not a hetmig parcel, or one of a newer format.  Upgrade hetmig on the receiving side."""


class TooLarge(HetmigError):
    """Something exceeds a cap of its receiver.  Send less at once, or raise the cap there.

    Where a node's own setting decides, `data` has the `cap`, the `value` and the `setting`.
    """


class ParcelTooLarge(ParcelError, TooLarge):
    """The parcel exceeds a cap of the receiver.  Move less state, or raise the cap there."""


class VersionMismatch(ParcelError):
    """The parcel needs another Python than this one.  Send it to a node with the named version."""


class CheckpointFailed(HetmigError):
    """A checkpoint could not be written or read; the task goes on.

    Make room, correct the rights or the address that it names, or choose another place.
    """


class NoCheckpoint(HetmigError):
    """There is nothing to resume from.  Give the directory, file or URL where one was left."""


class NodeUnreachable(HetmigError):
    """No node answered at that address in time.  Check that it runs, its address and its key."""


class Unauthorized(HetmigError):
    """The other side does not know our key, or has not given it the right to do this.

    Add it there with `hetmig keys add`, or give it what `data["missing"]` names with
    `hetmig keys authorize`.
    """


class QuotaExceeded(HetmigError):
    """A node gives no more of something than its owner has set: tasks, processes, processor time.

    `data` has the `cap`, the `value` and the `setting`.  Wait until less is in use, use another
    node, or raise the setting there.
    """


class TaskLost(HetmigError):
    """The process that ran the task is gone and no other holds it.  Submit the task again."""


class HomeMoved(HetmigError):
    """The task's home is another node now: ask there.  `data` has `name`, `endpoint` and `key`."""


class ActorLost(TaskLost):
    """The actor is no more: stopped, deleted, or gone with its process or node.

    A call without an answer may have been executed or not.  Spawn it again.
    """


class NoSuchObject(TaskLost):
    """No node has the object: it was deleted, or lost with its node.  Put it again."""


class NoSuchTask(NoSuchObject):
    """No living task has that name, on any node asked.  `hetmig ps` lists those there are."""


class NotReceived(TaskLost):
    """A message was sent to a task that ended, or was lost, before it received it.

    Nothing was done with the message.  `data` has the `task`, and its `name`.
    """


class NoReply(TaskLost):
    """A task received a request and ended, or was lost, without a reply to it.

    It may have done what was asked.  `data` has the `task`, and its `name`.
    """


class NameTaken(HetmigError):
    """A living task of that home node has the name already.

    Choose another one, or take up that task: `nodes.find(name)`.
    """


class MailboxFull(HetmigError):
    """More calls or messages wait for the actor or task than are kept for it.

    Wait for answers before calling on; send again later, or without a timeout.
    """


class FileUnreachable(HetmigError, OSError):
    """The node that has an open file does not answer; an OSError, too.

    What was written and not confirmed is kept: `flush` the file to try again, once the node is
    back.  Open files with `policy="reopen"` or `"carry"` if they are not to depend on their node.
    """


class FileLost(HetmigError, OSError):
    """The node that had a file open has it open no more; an OSError, too.

    It was started anew, or the task was restarted elsewhere and this copy of it is void.  Open the
    file again.
    """


class SubmitterGone(HetmigError, EOFError):
    """The submitter, whose standard input the task reads, is gone; an EOFError, too.

    What it would have typed nobody knows.  Stay connected, or give the input to the task itself.
    """


class NotConnected(HetmigError):
    """A reference was used outside a task and without a connection.

    Give it to one: `nodes.get(reference)`, `nodes.bind(reference)`.
    """


class DivisionRefused(HetmigError):
    """A loop can't be divided, for the reason named; it goes on undivided.

    Declare what the loop carries from one iteration to the next (`merge={"name": (function,
    identity)}`), or change what the message names.
    """


class LockLost(HetmigError):
    """A shared lock was taken from this holder, which was thought to be gone.

    What it does under that lock is refused.  Take the lock again, and look at the state anew.
    """


class TargetUnavailable(HetmigError):
    """A foreign interpreter could not be made here, or does not run.

    Install what the message names (apt-get, pip, a network), or give the path of an interpreter.
    """


class TaskFailed(HetmigError):
    """The result or exception of a task could not travel, or it could not be started at all.

    The message names the value and the function, the cause is the remote traceback: correct what
    they name and submit again.
    """


class InitializerFailed(HetmigError):
    """The initializer of an executor raised an exception in a task.  Its traceback is the cause."""


class ProtocolError(HetmigError):
    """A message that no hetmig of this version sends.  Use the same version on both sides."""


class JournalError(HetmigError):
    """The node's journal can't be written or read.  Free space on its disk; see its directory.

    What a node can't write it does not do: tasks that are to move stay where they are.
    """


class MessageTooLarge(ProtocolError, TooLarge):
    """A message exceeds a cap of its receiver.  Send less at once, or raise the cap there."""
