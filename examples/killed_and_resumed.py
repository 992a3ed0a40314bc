"""A long computation is killed, twice, as by a power failure; its result is right all the same.

    python examples/killed_and_resumed.py

The script that counts is this file, too; it knows nothing of hetmig.  `hetmig run --checkpoint`
keeps a copy of it every tenth of a second.  The same command, started again after each kill, goes
on from the newest copy; what was printed since then is printed again.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT = 800_000


def count_primes(limit):
    """How many primes there are below a limit; says how far it is."""
    found = []
    for number in range(2, limit):
        for prime in found:
            if prime * prime > number:
                found.append(number)
                break
            if number % prime == 0:
                break
        else:
            found.append(number)
        if number % (limit // 20) == 0:
            print(f"{number}: {len(found)}", flush=True)
    return len(found)


def main():
    """Start the command, and kill it in the middle of its work; the third one comes to its end."""
    with tempfile.TemporaryDirectory() as directory:
        keys, saved = Path(directory, "keys"), Path(directory, "saved")
        hetmig = [sys.executable, "-m", "hetmig"]
        subprocess.run([*hetmig, "keys", "init", keys], check=True, stdout=subprocess.DEVNULL)
        command = [*hetmig, "run", "--keys", keys, "--checkpoint", saved, "--every", "0.1"]
        for life in (1, 2, 3):
            before = newest(saved)
            process = subprocess.Popen(
                [*command, __file__, "count"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for line in process.stdout:
                print(" ", line, end="")
                if life < 3 and newest(saved) > before:
                    process.kill()
                    print("killed")
                    break
            said = process.communicate()[1]
            print(re.sub(r" of \S+ \S+ \(.*? ago\)", "", said), end="")
    return process.returncode


def newest(saved):
    """The name of the newest checkpoint."""
    return max((file.name.partition(".")[2] for file in saved.glob("*.checkpoint")), default="")


if __name__ == "__main__":
    if sys.argv[1:] == ["count"]:
        print(f"{count_primes(LIMIT)} primes below {LIMIT}")
    else:
        sys.exit(main())
