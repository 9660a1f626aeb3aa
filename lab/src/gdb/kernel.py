# What the commands need to know of the kernel, and how to read it whatever the language is.

import contextlib
import sys

import gdb


def in_c():
    """Names and types are C's meanwhile."""
    return in_("c")


@contextlib.contextmanager
def in_(language):
    """Names and types are that language's meanwhile."""
    before = gdb.parameter("language")
    gdb.execute("set language " + language, to_string=True)
    try:
        yield
    finally:
        gdb.execute("set language " + before, to_string=True)


def work_in_any_language():
    """Has the kernel's own commands and functions work in Rust frames, too."""
    for name, module in list(sys.modules.items()):
        if name != "linux" and not name.startswith("linux."):
            continue
        for thing in vars(module).values():
            if isinstance(thing, type) and issubclass(thing, (gdb.Command, gdb.Function)):
                if "invoke" in vars(thing):
                    thing.invoke = wrapped(thing.invoke)


def wrapped(invoke):
    if getattr(invoke, "is_wrapped", False):
        return invoke

    def in_any_language(*arguments):
        with in_c():
            return invoke(*arguments)

    in_any_language.is_wrapped = True
    return in_any_language


def is_there():
    """Whether there still is a guest."""
    return gdb.selected_inferior().pid != 0


def entries(head, of, member):
    """The structures `of` in a list of the kernel's, linked by `member`."""
    of = gdb.lookup_type(of)
    offset = next(f.bitpos // 8 for f in of.fields() if f.name == member)
    node = head["next"]
    while node != head.address:
        yield (node.cast(char()) - offset).cast(of.pointer()).dereference()
        node = node["next"]


def char():
    return gdb.lookup_type("char").pointer()


def sections(module):
    """The names and addresses of a module's sections."""
    attributes = module["sect_attrs"]
    for n in range(int(attributes["nsections"])):
        attribute = attributes["attrs"][n]
        yield attribute["battr"]["attr"]["name"].string(), int(attribute["address"])


def at(address, of):
    """The structure at an address."""
    return gdb.Value(address).cast(gdb.lookup_type(of).pointer()).dereference()


def container(pointer, of, member):
    """The structure `of` whose `member` this points to."""
    of = gdb.lookup_type(of)
    offset = next(f.bitpos // 8 for f in of.fields() if f.name == member)
    return (pointer.cast(char()) - offset).cast(of.pointer()).dereference()


def symbol(address):
    """The name of the function at an address, if there is one."""
    text = gdb.execute("info symbol {:#x}".format(address), to_string=True)
    return None if text.startswith("No symbol") else text.split(" ")[0]


def is_modules(address):
    """Whether that is a module's code, whose memory is apart from the kernel's."""
    return not address_of("_text") <= address < address_of("_end")


def address_of(name):
    """The address of one of the kernel's symbols."""
    return int(gdb.parse_and_eval("(unsigned long)&" + name))


def per_cpu(name):
    """A variable of each CPU, as (number of the CPU, its variable)."""
    from linux import cpus

    pointer = gdb.parse_and_eval("&" + name)
    for cpu in cpus.each_online_cpu():
        yield cpu, cpus.per_cpu(pointer, cpu)


def filled(array):
    """The pointers of a large array of pointers that are not null, as numbers."""
    size = array.type.sizeof
    memory = bytes(gdb.selected_inferior().read_memory(int(array.address), size))
    for n in range(0, size, 8):
        pointer = int.from_bytes(memory[n:n + 8], "little")
        if pointer:
            yield pointer


def unsigned(value):
    """A word as a number that is not negative."""
    return int(value) & (1 << 64) - 1
