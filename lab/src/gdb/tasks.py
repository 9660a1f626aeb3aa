# Threads of the guest: who they are, in which call, and what they wait in.

import gdb

import kernel
import rust

PF_KTHREAD = 0x00200000
STATES = {0: "R", 1: "S", 2: "D", 4: "T", 8: "t"}
# Their first argument is a descriptor.
WITH_FILE = "read write readv writev pread64 pwrite64 ioctl splice sendfile epoll_pwait fsync lseek".split()


class Task:
    """One thread, a `struct task_struct`."""

    def __init__(self, task):
        self.task = task
        self.pid = int(task["pid"])
        self.command = task["comm"].string(errors="replace")
        state = int(task["__state"])
        self.state = STATES.get(state & 0xF, "?")
        self.is_kernels = bool(int(task["flags"]) & PF_KTHREAD)

    def row(self):
        return [str(self.pid), self.command, self.state, self.call(), self.place()]

    def call(self):
        """The system call it is in."""
        if self.is_kernels:
            return "kernel thread"
        registers = self.registers()
        number = int(registers["syscallno"])
        if number < 0:
            return "user code"
        function = gdb.parse_and_eval("(unsigned long)sys_call_table[{}]".format(number))
        name = (kernel.symbol(int(function)) or str(number)).replace("__arm64_sys_", "")
        if name not in WITH_FILE:
            return name
        descriptor = int(registers["orig_x0"])
        return "{}({}{})".format(name, descriptor, self.file(descriptor))

    def file(self, descriptor):
        """`, NAME` of an open file."""
        table = self.task["files"]["fdt"]
        if not 0 <= descriptor < int(table["max_fds"]):
            return ""
        file = table["fd"][descriptor]
        if int(file) == 0:
            return ""
        return ", " + file["f_path"]["dentry"]["d_name"]["name"].string(errors="replace")

    def stack(self):
        """The lowest address of its stack, and the end."""
        lowest = int(self.task["stack"])
        # That of the first thread is of the same size.
        return lowest, lowest + kernel.address_of("__end_init_task") - kernel.address_of("__start_init_task")

    def registers(self):
        """Those of the user's, which are at the end of the stack."""
        size = gdb.lookup_type("struct pt_regs").sizeof
        return kernel.at(self.stack()[1] - size, "struct pt_regs")

    def addresses(self):
        """Where it is in the kernel's code, innermost first; less than all of it, if it runs."""
        if int(self.task["on_cpu"]):
            yield from running(int(self.task["thread_info"]["cpu"]))
            return
        context = self.task["thread"]["cpu_context"]
        lowest, end = self.stack()
        frame, address = int(context["fp"]), int(context["pc"])
        word = gdb.lookup_type("unsigned long")
        while address:
            # What is returned to comes after the call.
            yield address - 4
            if not lowest <= frame <= end - 16:
                return
            record = gdb.Value(frame).cast(word.pointer())
            frame, address = int(record[0]), int(record[1])

    def place(self):
        """The module's function that it is in, and the line, if it is in one."""
        for address in self.addresses():
            for name, where in rust.functions(address):
                if rust.is_modules_own(name):
                    return "{}, {}".format(name, where) if where else name
        return ""


def running(cpu):
    """Where a CPU is, which is a thread to gdb."""
    before = gdb.selected_thread()
    frame_before = gdb.selected_frame()
    try:
        for thread in gdb.selected_inferior().threads():
            if thread.num == cpu + 1:
                thread.switch()
                frame = gdb.newest_frame()
                while frame is not None:
                    yield frame.pc()
                    frame = frame.older()
    finally:
        before.switch()
        frame_before.select()


def table(tasks):
    """Threads, one a line."""
    return columns([["PID", "COMMAND", "", "CALL", "IN"]] + [task.row() for task in tasks])


def columns(rows):
    """Lines, in columns as wide as what is in them."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    return "".join("  {}\n".format(line.rstrip()) for line in lines)
