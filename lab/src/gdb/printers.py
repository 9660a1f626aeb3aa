# How values of lkm's types are printed: in Rust's terms, and without what they are made of. gdb itself
# knows Option and Result, slices, and str.

import errno
import re

import gdb

import kernel
import rust
from tasks import Task

# What C has no name for in userland.
ERRORS = {512: "ERESTARTSYS", 515: "ENOIOCTLCMD"}


class Handle:
    """What a handle refers to is shown, but not what handles in that refer to in turn: of those, only
    where it is."""

    depth = 0

    def show(self, name, value):
        """`name`, with `value` behind it, or nothing."""
        self.name, self.value = name, value
        self.is_outer = Handle.depth == 0

    def to_string(self):
        return self.name if self.is_outer else "{} at {:#x}".format(self.name, int(self.value.address))

    def children(self):
        if self.is_outer:
            Handle.depth += 1
            try:
                yield "data", self.value
            finally:
                Handle.depth -= 1


class Arc(Handle):
    """`Arc(2 references) {data}`"""

    def __init__(self, value):
        inner = value["ptr"]["pointer"].dereference()
        count = number(inner["refcount"])
        self.show("Arc({} reference{})".format(count, "" if count == 1 else "s"), inner["data"])


class Lock:
    """`Mutex(held by 61 dd) {data}`"""

    NAMES = {"MutexBackend": "Mutex", "SemaphoreBackend": "Semaphore",
             "SpinLockBackend": "SpinLock", "SpinLockIrqBackend": "SpinLockIrq"}

    def __init__(self, value):
        backend = re.search(r"(\w+)>$", str(value.type)).group(1)
        self.name = self.NAMES.get(backend, backend)
        self.inner = value["inner"]["value"]["ptr"]["pointer"].dereference()

    def to_string(self):
        lock = self.inner["lock"]
        if self.name == "Mutex":
            with kernel.in_c():
                mutex = kernel.at(int(lock.address), "struct mutex")
                owner = kernel.unsigned(mutex["owner"]["counter"]) & ~7
                if not owner:
                    return "Mutex(free)"
                task = Task(kernel.at(owner, "struct task_struct"))
                return "Mutex(held by {} {})".format(task.pid, task.command)
        if self.name == "Semaphore":
            return self.name
        # The lock's word is 0 while nobody has it.
        word = int.from_bytes(bytes(gdb.selected_inferior().read_memory(int(lock.address), 4)), "little")
        return "{}({})".format(self.name, "held" if word else "free")

    def children(self):
        yield "data", plain(self.inner["data"])


class Source(Handle):
    """`timer_list {data}`, of the handle of a timer, and likewise of work, tasklets, devices."""

    def __init__(self, value):
        node = value["node"]["pointer"].dereference()
        self.show(rust.last_name(node["object"].type.template_argument(0)), plain(node["value"]))


class Guard:
    """`Guard {data}`, of the lock that it holds."""

    def __init__(self, value):
        self.lock = value["lock"].dereference()

    def to_string(self):
        return "Guard"

    def children(self):
        yield "lock", self.lock


class WaitQueue:
    """`WaitQueue(2 wait)`"""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        (head,) = rust.find(self.value, "wait_queue_head")
        with kernel.in_c():
            queue = kernel.at(head, "struct wait_queue_head")["head"]
            waiters = sum(1 for _ in kernel.entries(queue, "struct wait_queue_entry", "entry"))
        return "WaitQueue({} wait)".format(waiters) if waiters else "WaitQueue(nobody waits)"


class Vector:
    """`Vec(len 3) = [1, 2, 3]`; nothing of what may be uninitialised."""

    def __init__(self, value):
        self.name, self.length = rust.last_name(value.type), int(value["len"])
        if self.name == "Vec":
            value = value["buf"]["ptr"]["pointer"]
        else:
            value = value["ptr"]
        self.first = value["pointer"]

    def to_string(self):
        return "{}(len {})".format(self.name, self.length)

    def children(self):
        if "MaybeUninit" not in str(self.first.type):
            for n in range(self.length):
                yield str(n), (self.first + n).dereference()

    def display_hint(self):
        return "array"


class Error:
    """`Error(EAGAIN)`"""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        code = -number(self.value)
        return "Error({})".format(ERRORS.get(code) or errno.errorcode.get(code, -code))


class Plain:
    """What a wrapper holds that says nothing by itself."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        return plain(self.value).format_string()


def plain(value):
    """What is inside of wrappers."""
    while WRAPPERS.match(str(value.type)):
        fields = [field for field in value.type.fields() if field.type.sizeof]
        if len(fields) != 1:
            break
        value = value[fields[0]]
    return value


def number(value):
    """The number at the bottom of a type that wraps one of 32 bits."""
    address = int(value.address)
    word = bytes(gdb.selected_inferior().read_memory(address, 4))
    return int.from_bytes(word, "little", signed=True)


WRAPPERS = re.compile(
    r"core::(cell::(UnsafeCell|Cell)|mem::manually_drop::ManuallyDrop|sync::atomic::Atomic|num::nonzero::NonZero)")
PRINTERS = [
    (re.compile(r"lkm::sync::arc::Arc(Borrow)?<"), Arc),
    (re.compile(r"lkm::sync::lock::Lock<"), Lock),
    (re.compile(r"lkm::sync::lock::Guard<"), Guard),
    (re.compile(r"lkm::source::Source<"), Source),
    (re.compile(r"lkm::sync::wait_queue::WaitQueue$"), WaitQueue),
    (re.compile(r"(lkm::kvec::KVVec|alloc::vec::Vec)<"), Vector),
    (re.compile(r"lkm::error::Error$"), Error),
    (WRAPPERS, Plain),
]


def printer_of(value):
    """gdb asks this for each value that it prints."""
    if value.type.code != gdb.TYPE_CODE_STRUCT or value.is_optimized_out:
        return None
    name = str(value.type)
    for pattern, printer in PRINTERS:
        if pattern.match(name):
            return printer(value)
    return None


def register():
    gdb.pretty_printers.append(printer_of)
