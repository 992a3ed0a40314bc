"""Tasks that move share an object, its lock, and a buffer.

    python examples/shared_board.py

Three tasks write on a board that stays in the "hall".  Each reads a number, moves to another node
with the lock in its hand, and writes the number back, one greater: nobody comes between.  They mark
their places in a shared buffer as well, of which only the changed pages travel.
"""

import sys

import hetmig
from hetmig.node.embedded import LocalNodes

ROUNDS = 5


class Board:
    """What everybody sees."""

    def __init__(self):
        self.visits = 0
        self.names = []

    def sign(self, name):
        """Add a name; how many there are."""
        self.names.append(name)
        return len(self.names)


def visit(board, marks, name, place, away):
    """A task: come and go, and count."""
    for turn in range(ROUNDS):
        with board.lock:
            visits = board.visits
            if turn == ROUNDS // 2:
                hetmig.migrate(away)
            board.visits = visits + 1
        board.sign(f"{name} in the {hetmig.here()}")
        with marks.write() as view:
            view[place + turn] = 1
    return marks.bytes_moved


def main():
    """Share a board among three tasks."""
    names = ["hall", "attic", "garden"]
    with (
        LocalNodes(3, names=names) as local,
        hetmig.connect(local[0], keys=local.keys) as nodes,
    ):
        board = hetmig.shared(Board(), nodes=nodes)
        marks = hetmig.shared_buffer(1_000_000, nodes=nodes)
        tasks = [
            nodes.submit(visit, board, marks, name, 300_000 * place, names[place])
            for place, name in enumerate(["Ann", "Bob", "Cid"])
        ]
        moved = sum(task.result() for task in tasks)
        visits, signed = board.visits, board.names
        with marks.read() as view:
            marked = sum(view)
    print(f"{visits} visits, {len(signed)} names, the last one: {signed[-1]}")
    print(f"{marked} marks in 1000000 bytes; {moved} bytes of pages have travelled")
    right = visits == len(signed) == marked == 3 * ROUNDS and moved < 200_000
    print("nobody came between" if right else "SOMETHING WAS LOST")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
