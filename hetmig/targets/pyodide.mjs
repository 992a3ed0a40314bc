// Runs CPython on WebAssembly like any interpreter: python [-c CODE | -m MODULE | FILE] ARGUMENT...
//
//     node pyodide.mjs DIRECTORY WRAPPER ARGUMENT...
//
// DIRECTORY holds node_modules/pyodide and site-packages (pure Python packages); WRAPPER is sys.executable.
// The host's files are there under their own names, standard streams are passed through as bytes.
// There are no threads, no child processes and no sockets.
import { readSync, readdirSync, writeSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [directory, wrapper, ...rest] = process.argv.slice(2);
const modules = `${directory}/node_modules/pyodide`;
const { loadPyodide } = await import(pathToFileURL(`${modules}/pyodide.mjs`));

// What Emscripten has its own of, or what is no ordinary file.
const OWN = new Set(["dev", "lib", "proc", "run", "sys"]);

function retried(call) {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if (error.code === "EOF") return 0;
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); // a pipe that does not block
    }
  }
}

const { PYTHONHOME, PYTHONPATH = "", ...env } = process.env;
const python = await loadPyodide({ indexURL: `${modules}/`, env: { HOME: "/home/pyodide", ...env } });
for (const entry of readdirSync("/", { withFileTypes: true })) {
  if (!entry.isDirectory() || OWN.has(entry.name)) continue;
  const place = `/${entry.name}`;
  python.FS.mkdirTree(place);
  python.FS.mount(python.FS.filesystems.NODEFS, { root: place }, place);
}
function written(descriptor, buffer) {
  let done = 0; // a pipe that is full takes a part, and Pyodide does not look how much that was
  while (done < buffer.length) {
    done += retried(() => writeSync(descriptor, buffer, done, buffer.length - done));
  }
  return done;
}
python.setStdin({ read: (buffer) => retried(() => readSync(0, buffer)), isatty: false });
python.setStdout({ write: (buffer) => written(1, buffer), isatty: false });
python.setStderr({ write: (buffer) => written(2, buffer), isatty: false });

const main = python.runPython(`
def main(site, executable, here, search, given):
    import os, runpy, sys, traceback

    os.chdir(here)
    kind = None
    own = [""]
    search = search.split(os.pathsep)
    while given and given[0].startswith("-") and kind is None:
        option = given.pop(0)
        if option in ("-I", "-P"):
            own = []
        if option in ("-I", "-E"):
            search = []
        if option == "-X":
            given.pop(0)
        elif option in ("-c", "-m"):
            kind = option
    what = given.pop(0) if given else None
    if kind is None and what is not None and own:
        own = [os.path.dirname(os.path.abspath(what))]
    sys.path[:] = [*own, *filter(None, search), *filter(None, sys.path), site]
    sys.path_importer_cache.clear()
    sys.executable = executable
    sys.argv[:] = [kind or what or "", *given]
    space = vars(sys.modules["__main__"])
    try:
        if kind == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        elif kind == "-c":
            exec(compile(what, "<string>", "exec"), space)
        elif what is not None:
            runpy.run_path(what, run_name="__main__")
        else:
            exec(compile(sys.stdin.read(), "<stdin>", "exec"), space)
        status = 0
    except SystemExit as ended:
        status = 0 if ended.code is None else ended.code
        if not isinstance(status, int):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status

main
`);
let status = 1;
try {
  status = main(`${directory}/site-packages`, wrapper, process.cwd(), PYTHONPATH, python.toPy(rest));
} catch (error) {
  if (typeof error.status === "number") {
    status = error.status; // os._exit()
  } else {
    written(2, Buffer.from(`Fatal: ${error}\n`));
    process.kill(process.pid, "SIGABRT"); // the interpreter has crashed: look like it
  }
}
process.exit(status & 0xff);
