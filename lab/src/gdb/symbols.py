# Symbols of modules, from the files with debug info, as the guest loads them.

import os

import gdb

import kernel
import rust

# The bytes of one.
INSTRUCTION = 4


class Loader(gdb.Breakpoint):
    """Has gdb know each module before its init function runs."""

    def __init__(self, files):
        # Each module comes through here, with its sections in place.
        super().__init__("do_init_module", internal=True)
        self.silent = True
        self.stop_in_init = False
        self.files = {os.path.basename(path)[:-3].replace("-", "_"): path for path in files}

    def stop(self):
        with kernel.in_c():
            module = gdb.parse_and_eval("mod")
            name = module["name"].string()
            if name in self.files:
                load(self.files[name], list(kernel.sections(module)))
                if self.stop_in_init:
                    InInit(int(module["init"]))
        return False


class InInit(gdb.Breakpoint):
    """Stops in a module's init function, once: in the module's own, if it is one in Rust, which is
    inlined into what C calls."""

    def __init__(self, address):
        block = gdb.block_for_pc(address)
        places = range(address, block.end, INSTRUCTION) if block is not None else []
        inits = [(at, names) for at, names in ((at, own_inits(at)) for at in places) if any(names)]
        # Best at a line of its own, and not of what is inlined there in turn.
        best = [at for at, names in inits if names[0]] + [at for at, _ in inits] + [address]
        super().__init__("*{:#x}".format(best[0]), temporary=True)


def own_inits(address):
    """Of the functions at an address, which is a module's own init."""
    names = [name for name, _ in rust.functions(address)]
    return [rust.is_modules_own(name) and name.endswith("::init") for name in names]


def load(path, sections):
    """Reads the symbols of a module's file, for the addresses of its sections."""
    # A module that is loaded once more is elsewhere.
    if any(os.path.realpath(objfile.filename) == path for objfile in gdb.objfiles() if objfile.filename):
        gdb.execute('remove-symbol-file "{}"'.format(path), to_string=True)
    wanted = [(name, address) for name, address in sections if name != ".text"]
    command = 'add-symbol-file "{}" {:#x}'.format(path, dict(sections)[".text"])
    for name, address in wanted:
        command += " -s {} {:#x}".format(name, address)
    gdb.execute(command, to_string=True)
