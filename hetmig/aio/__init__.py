"""The asyncio client: the same connection, without threads of its own.

    async with hetmig.aio.connect("tcp://127.0.0.1:7717") as nodes:     # Nodes
        task = nodes.submit(job, paths)                 # Task, an asyncio.Future
        await task.move("arm-box")
        print(await task, await task.journey())

        print(await nodes.submit(job, paths))           # or all at once

Nodes:  submit(f, ...), with_options(name=).submit(f), run_script(file), resume(checkpoint) give
        a Task at once;
        await tasks(), task(id), find(name), nodes(), moves(), move(task, to), cancel(task),
        rehome(task, to), drain(node), undrain(node), close().
Task:   await it for its result; id, name, state, progress(), done(), cancel();
        await begun(), move(to), where(), journey(), info(), send(x), request(x), checkpoint(),
        last_checkpoint(), replicate(to), rehome(to), divide(parts);
        async for stream, text in task.output(): ...

Who is cancelled while it awaits a task cancels the task: `asyncio.timeout`, a task group, Ctrl-C
end what runs on the nodes, too.  `asyncio.shield(task)` lets it go on.
"""

from hetmig.aio.nodes import Nodes, Options, connect
from hetmig.aio.references import SentMessage, TaskRef
from hetmig.aio.task import Task

__all__ = ["Nodes", "Options", "SentMessage", "Task", "TaskRef", "connect"]
