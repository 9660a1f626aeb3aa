# Rust in a debugger: names of functions, and C's objects inside of Rust's handles.

import re

import gdb

import kernel

# What a handle is made of, on the way to the C object, and a bound for types that contain themselves.
DEEPEST = 16


def functions(address):
    """The functions that the code at this address belongs to, as (name, place), innermost first:
    those that were inlined there, too."""
    block = gdb.block_for_pc(address)
    place = gdb.find_pc_line(address)
    where = None
    if place.symtab is not None:
        where = "{}:{}".format(short(place.symtab.filename), place.line)
    if block is None:
        name = kernel.symbol(address)
        return [(name, where)] if name else []
    found = []
    while block is not None and not block.is_static and not block.is_global:
        if block.function is not None:
            found.append((block.function.print_name, where))
            # Where it was inlined is not known here.
            where = None
        block = block.superblock
    return found


def short(path):
    """A source's path, from the checkout on."""
    match = re.search(r"(?:^|/)((?:modules|lkm|tests/modules|bench/c)/.*)$", path)
    return match.group(1) if match else path


def is_modules_own(name):
    """Whether a function is a module's, and not of what it is built on."""
    return "::" in name and not re.match(r"<?&?(mut )?(lkm|core|alloc|kernel)::", name)


def callback(address):
    """What a C callback of ours calls: the type in `lkm::timer::run<simrupt::Handler>`; any other
    function's name."""
    names = [name for name, _ in functions(address)]
    if not names:
        return "{:#x}".format(address)
    name = names[-1]
    match = re.match(r"lkm::(?:\w+::)+\w+<(.*)>$", name)
    return match.group(1) if match else name


def is_rust(address):
    """Whether there is a Rust function at this address."""
    return any("::" in name for name, _ in functions(address))


def find(value, name):
    """The address of the C object called `name` that a value of Rust or C is, refers to, or holds."""
    nearest = [value]
    seen = set()
    for _ in range(DEEPEST):
        below = []
        for value in nearest:
            of = value.type.strip_typedefs()
            if of.code in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_REF):
                target = of.target().strip_typedefs()
                if target.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION) and int(value) != 0:
                    below.append(value.dereference())
            elif of.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION) and of.sizeof:
                if last_name(of) == name and value.address is not None:
                    return int(value.address)
                at = (str(of), str(value.address))
                # What is in C's own objects is not ours.
                if at in seen or "::bindings" in str(of) or "::" not in str(of) and nearest != [value]:
                    continue
                seen.add(at)
                below += [value[field] for field in of.fields() if field.name]
        nearest = below
    raise gdb.GdbError("there is no {} in it".format(name))


def last_name(of):
    """`mutex` of `struct mutex` and of `lkm::bindings::mutex`."""
    name = (of.tag or of.name or "").split("<")[0]
    return name.split("::")[-1].replace("struct ", "")


def evaluate(expression, name):
    """The C object called `name` that an expression, of Rust or of C, leads to."""
    if not expression.strip():
        raise gdb.GdbError("give an expression with a {} in it".format(name))
    address = find(gdb.parse_and_eval(expression), name)
    with kernel.in_c():
        return kernel.at(address, "struct " + name)
