"""Runs the listeners of the chdb-core wheel as a server, until SIGTERM or SIGINT.

usage: launcher.py HOME ENGINE [LISTENER...]
HOME holds config.xml (read from the working directory) and gets the data in HOME/data.
ENGINE is the wheel's _chdb.abi3.so. It is loaded by its path: importing the package would open a
session of its own at once. The listeners are HTTP, which is the default, and TCP.
"""

import importlib.util
import os
import signal
import sys
import threading

home, engine, *listeners = sys.argv[1:]
os.chdir(home)
with open("/proc/self/comm", "w") as name:
    name.write("clickhouse")

spec = importlib.util.spec_from_file_location("_chdb", engine)
chdb = importlib.util.module_from_spec(spec)
sys.modules["_chdb"] = chdb
spec.loader.exec_module(chdb)

# The last query reads a pipe that no one writes to: it lasts until the pipe is closed.
reading, writing = os.pipe()
STARTS = " ".join(f"SYSTEM START LISTEN {name};" for name in listeners or ["HTTP"])
QUERY = f"""
{STARTS}
SELECT count() FROM file('/dev/fd/{reading}', 'LineAsString', 'line String') FORMAT Null
"""


def serve():
    code = 0
    try:
        chdb.query(QUERY, "TabSeparated", path=os.path.join(home, "data"))
    except Exception as error:
        print("clickhouse:", error, file=sys.stderr, flush=True)
        code = 1
    os._exit(code)


def stop(*_):
    # A second signal finds the pipe closed already.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.close(writing)


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
# Python runs signal handlers in the main thread only, so the engine gets another one.
threading.Thread(target=serve, daemon=True).start()
while True:
    signal.pause()
