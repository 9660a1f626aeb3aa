# What gdb runs first for `lab gdb`: symbols, commands, the guest, and the first stop.

import json
import os
import sys
import traceback

import gdb

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, FOLDER)


def start():
    with open(os.path.join(FOLDER, "session.json")) as file:
        session = json.load(file)
    gdb.execute("set pagination off")
    # The guest is there for this session only.
    gdb.execute("set confirm off")
    # Names of functions in modules that are not there yet are for later.
    gdb.execute("set breakpoint pending on")
    gdb.execute('file "{}"'.format(session["vmlinux"]), to_string=True)
    # A script that another one runs is not told where it is, and looks for the rest beside that.
    sys.path.insert(1, os.path.join(os.path.dirname(session["scripts"]), "scripts/gdb"))
    gdb.execute("source {}".format(session["scripts"]))

    import commands
    import kernel
    import printers
    import symbols

    kernel.work_in_any_language()
    commands.register()
    printers.register()

    gdb.execute('target remote {}'.format(session["socket"]), to_string=True)
    # Before that there is no memory where the kernel's names are.
    begin = gdb.Breakpoint("start_kernel", gdb.BP_HARDWARE_BREAKPOINT, internal=True, temporary=True)
    begin.silent = True
    gdb.execute("continue", to_string=True)
    loader = symbols.Loader(session["modules"])

    where = session["stop"]
    if where is None:
        gdb.write("The kernel is at its start. `break` where you like, and `continue`.\n")
        return
    if where == "init":
        loader.stop_in_init = True
    else:
        gdb.execute("break " + where)
    try:
        gdb.execute("continue")
    except gdb.error:
        # That is what the end of the guest may be.
        if kernel.is_there():
            raise
    if not kernel.is_there():
        raise gdb.GdbError("the guest ended, and never came to " + where)


try:
    start()
except gdb.GdbError as error:
    gdb.write("lab: {}\n".format(error), gdb.STDERR)
    gdb.execute("quit 1")
except Exception:
    traceback.print_exc()
    gdb.execute("quit 1")
