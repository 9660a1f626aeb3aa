# Rust in a debugger: names of functions, and C's objects inside of Rust's handles.

import re

import gdb

import kernel

# What a handle is made of, on the way to the C object, and a bound for types that contain themselves.
DEEPEST = 48


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
    """The C objects called `name` that a value of Rust or C is, refers to, or holds: for each address
    the way to it, which is the fields of the module's own types."""
    found, seen, nearest = {}, set(), [((), value)]
    for _ in range(DEEPEST):
        below = []
        for way, value in nearest:
            try:
                below += inside(way, value, name, found, seen)
            except gdb.MemoryError:
                # Of a variant that is not this one.
                pass
        nearest = below
    return found


def inside(way, value, name, found, seen):
    """What is one step nearer: the target of a pointer, the fields of a structure."""
    of = value.type.strip_typedefs()
    if of.code in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_REF):
        target = of.target().strip_typedefs()
        is_object = target.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)
        return [(way, value.dereference())] if is_object and int(value) else []
    if of.code not in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION) or not of.sizeof:
        return []
    if last_name(of) == name and value.address is not None:
        found.setdefault(int(value.address), way)
        return []
    at = (str(of), str(value.address))
    # C's objects refer to others that are not the module's, and so do the parts of lkm.
    if at in seen or "::" not in str(of) or "::bindings::" in str(of).split("<")[0]:
        return []
    seen.add(at)
    fields = [field for field in of.fields() if field.name]
    # Its lock is lkm's own.
    if str(of).startswith("lkm::source::Startable<"):
        fields = [field for field in fields if field.name == "object"]
    if is_modules_own(str(of)) and not str(of).split("<")[0].endswith(("::Some", "::Ok")):
        return [(way + (field.name,), value[field]) for field in fields]
    return [(way, value[field]) for field in fields]


def last_name(of):
    """`mutex` of `struct mutex` and of `lkm::bindings::mutex`."""
    name = (of.tag or of.name or "").split("<")[0]
    return name.split("::")[-1].replace("struct ", "")


def evaluate(expression, name):
    """The C objects called `name` in what an expression, of Rust or of C, leads to; the name of a module
    is one for all that it has. Each is (what to call it, object)."""
    expression = expression.strip()
    if not expression:
        raise gdb.GdbError("give an expression with a {} in it, or the name of a module".format(name))
    try:
        value = value_of(expression)
        if value.is_optimized_out:
            raise gdb.error("value has been optimized out")
    except gdb.error as error:
        if not is_module(expression):
            hint = "; try `up`, or the module's name" if "optimized out" in str(error) else ""
            raise gdb.GdbError("{}: {}{}".format(expression, error, hint))
        with kernel.in_("rust"):
            value = gdb.parse_and_eval("{}::_::__SLOT".format(expression))
    found = find(value, name)
    if not found:
        raise gdb.GdbError("there is no {} in {}".format(name, expression))
    with kernel.in_c():
        objects = [(way, kernel.at(at, "struct " + name)) for at, way in found.items()]
    return [(".".join(way) or expression, value) for way, value in objects]


def value_of(expression):
    """The value of an expression; in `a.b.c`, unlike in gdb's own, as through Rust's Deref."""
    path = re.match(r"&?\s*([\w:$]+)((?:\.\w+)+)$", expression)
    if path is None:
        return gdb.parse_and_eval(expression)
    value = gdb.parse_and_eval(path.group(1))
    for name in path.group(2).split(".")[1:]:
        value = member(value, name)
    return value


def member(value, name):
    """A field of a structure, or of what it refers to."""
    nearest, of = [value], value.type
    for _ in range(DEEPEST):
        below = []
        for value in nearest:
            kind = value.type.strip_typedefs()
            is_struct = kind.code == gdb.TYPE_CODE_STRUCT
            if is_struct and any(field.name == name for field in kind.fields()):
                return value[name]
            if not is_struct or not is_modules_own(str(kind)):
                below += [value for _, value in inside((), value, None, {}, set())]
        nearest = below
    raise gdb.error("there is no {} in {}".format(name, of))


def is_module(name):
    return any(str(objfile.filename).endswith("/{}.ko".format(name)) for objfile in gdb.objfiles())
