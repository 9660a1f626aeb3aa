# The commands for what Rust modules have: who waits, who holds, what runs, what is to come.

import gdb

import kernel
import rust
from kernel import entries
from tasks import Task, columns, table


class Waiters(gdb.Command):
    """Show who waits on a wait queue, and in which call.

lab-waiters QUEUE: QUEUE is an expression of Rust or C with a wait queue in it, as
self.device.sink.readers. Those who poll are shown as well, and those who wait for an epoll
descriptor that watches it."""

    def __init__(self):
        super().__init__("lab-waiters", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        queues = rust.evaluate(argument, "wait_queue_head")
        with kernel.in_c():
            for name, queue in queues:
                tasks = [task for entry in queue_entries(queue) for task in waiting(entry)]
                waiters = "waiting: {}".format(len(tasks)) if tasks else "nobody waits"
                gdb.write("{}: {}\n".format(named(name, queue), waiters))
                if tasks:
                    gdb.write(table(tasks))


def queue_entries(queue):
    return entries(queue["head"], "struct wait_queue_entry", "entry")


def waiting(entry):
    """The threads behind an entry of a wait queue."""
    function = kernel.symbol(int(entry["func"]))
    if function == "pollwake":
        polling = entry["private"].cast(gdb.lookup_type("struct poll_wqueues").pointer())
        return [Task(polling["polling_task"].dereference())]
    if function == "ep_poll_callback":
        watch = kernel.container(entry.address, "struct eppoll_entry", "wait")
        epoll = watch["base"]["ep"]
        return [task for one in queue_entries(epoll["wq"]) for task in waiting(one)]
    task = entry["private"].cast(gdb.lookup_type("struct task_struct").pointer())
    return [Task(task.dereference())]


class Mutex(gdb.Command):
    """Show who holds a mutex, and who waits for it.

lab-mutex LOCK: LOCK is an expression of Rust or C with a mutex in it, as self.device.pipeline."""

    # The low bits of the owner are not of its address.
    FLAGS = 7

    def __init__(self):
        super().__init__("lab-mutex", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        mutexes = rust.evaluate(argument, "mutex")
        with kernel.in_c():
            for name, mutex in mutexes:
                owner = kernel.unsigned(mutex["owner"]["counter"]) & ~self.FLAGS
                gdb.write("{}: {}\n".format(named(name, mutex), "held by" if owner else "free"))
                if owner:
                    gdb.write(table([Task(kernel.at(owner, "struct task_struct"))]))
                waiters = list(entries(mutex["wait_list"], "struct mutex_waiter", "list"))
                if waiters:
                    gdb.write("waiting: {}\n".format(len(waiters)))
                    gdb.write(table([Task(waiter["task"].dereference()) for waiter in waiters]))


class Workers(gdb.Command):
    """Show which worker runs which work item, and what is to be run.

lab-workers: work of Rust modules is shown as the type of its item, as simrupt::Mover; any other as
its function. Of workers that do nothing, there is only the number."""

    def __init__(self):
        super().__init__("lab-workers", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        with kernel.in_c():
            rows, idle, pools = [["", "WORK", "QUEUE", "CPU", "WORKER"]], 0, {}
            queues = gdb.parse_and_eval("workqueues")
            for queue in entries(queues, "struct workqueue_struct", "list"):
                for use in entries(queue["pwqs"], "struct pool_workqueue", "pwqs_node"):
                    pools[int(use["pool"])] = use["pool"].dereference()
                    for work in entries(use["inactive_works"], "struct work_struct", "entry"):
                        rows.append(["waiting", item(work), text(queue["name"]), "", ""])
            for pool in pools.values():
                for worker in entries(pool["workers"], "struct worker", "node"):
                    if not int(worker["current_work"]):
                        idle += 1
                        continue
                    task = Task(worker["task"].dereference())
                    rows.append([
                        "running",
                        rust.callback(int(worker["current_func"])),
                        text(worker["current_pwq"]["wq"]["name"]),
                        str(int(worker["task"]["thread_info"]["cpu"])),
                        "{} {}".format(task.pid, task.command),
                    ])
                for work in entries(pool["worklist"], "struct work_struct", "entry"):
                    rows.append(["pending", item(work), queue_of(work), cpu_of(pool), ""])
            if len(rows) == 1:
                gdb.write("no work is running or pending\n")
            else:
                gdb.write(columns(rows))
            gdb.write("idle workers: {}\n".format(idle))


def item(work):
    return rust.callback(int(work["func"]))


def queue_of(work):
    """The queue that a pending work is on, as its data says."""
    # WORK_STRUCT_PWQ says that it is there, in place of flags and a colour.
    data = kernel.unsigned(work["data"]["counter"])
    if not data & 1 << 2:
        return ""
    return text(kernel.at(data & ~0xFF, "struct pool_workqueue")["wq"]["name"])


def cpu_of(pool):
    cpu = int(pool["cpu"])
    return str(cpu) if cpu >= 0 else "any"


class Timers(gdb.Command):
    """Show the timers of modules that are pending or running, and when they are due.

lab-timers [all]: timers of Rust modules are shown as the type that is called, as simrupt::Handler.
With `all`, those of the kernel are shown, too, by their functions. Times of a hrtimer are counted from
the kernel's last tick."""

    def __init__(self):
        super().__init__("lab-timers", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        with kernel.in_c():
            timers = sorted(wheel()) + sorted(trees())
            ours = [timer for timer in timers if argument == "all" or timer[2]]
            rows = [["IN", "CPU", "", "CALLS"]]
            for span, cpu, _, kind, callback in ours:
                rows.append(["{:.3f} ms".format(span / 1e6), str(cpu), kind, callback])
            if ours:
                gdb.write(columns(rows))
            else:
                gdb.write("no timer of a module is pending\n")
            if len(ours) < len(timers):
                gdb.write("the kernel's own: {}; see lab-timers all\n".format(len(timers) - len(ours)))


def timer(span, cpu, kind, function):
    return (span, cpu, kernel.is_modules(function), kind, rust.callback(function))


def wheel():
    """The timers of the wheel."""
    tick = int(gdb.parse_and_eval("tick_nsec"))
    now = int(gdb.parse_and_eval("jiffies_64"))
    pointer = gdb.lookup_type("struct timer_list").pointer()
    for cpu, bases in kernel.per_cpu("timer_bases"):
        first, last = bases.type.range()
        for n in range(first, last + 1):
            running = bases[n]["running_timer"]
            if int(running):
                yield timer(0, cpu, "timer", int(running["function"]))
            for at in kernel.filled(bases[n]["vectors"]):
                while at:
                    entry = gdb.Value(at).cast(pointer).dereference()
                    due = int(entry["expires"]) - now
                    yield timer(due * tick, cpu, "timer", int(entry["function"]))
                    at = int(entry["entry"]["next"])


def trees():
    """The timers with a high resolution."""
    base = gdb.parse_and_eval("tk_core.timekeeper.tkr_mono")
    now = int(base["base"]) + (int(base["xtime_nsec"]) >> int(base["shift"]))
    pointer = gdb.lookup_type("struct hrtimer").pointer()
    for cpu, bases in kernel.per_cpu("hrtimer_bases"):
        first, last = bases["clock_base"].type.range()
        for n in range(first, last + 1):
            clock = bases["clock_base"][n]
            nodes = [clock["active"]["rb_root"]["rb_root"]["rb_node"]]
            while nodes:
                node = nodes.pop()
                if int(node):
                    nodes += [node["rb_left"], node["rb_right"]]
                    entry = node.cast(pointer).dereference()
                    due = int(entry["node"]["expires"]) - int(clock["offset"]) - now
                    yield timer(due, cpu, "hrtimer", int(entry["function"]))


class Module(gdb.Command):
    """Show a module's state, how often it is in use, and where its sections are.

lab-module NAME"""

    STATES = ["live", "coming", "going", "unformed"]

    def __init__(self):
        super().__init__("lab-module", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        name = argument.strip().replace("-", "_")
        with kernel.in_c():
            found = {}
            for module in entries(gdb.parse_and_eval("modules"), "struct module", "list"):
                found[text(module["name"])] = module
            if name not in found:
                raise gdb.GdbError("no module {}; loaded: {}".format(name, ", ".join(found) or "none"))
            module = found[name]
            # One is the module's own.
            uses = max(int(module["refcnt"]["counter"]) - 1, 0)
            layout = module["core_layout"]
            users = entries(module["source_list"], "struct module_use", "source_list")
            users = [text(use["source"]["name"]) for use in users]
            gdb.write("{}: {}, in use {} times{}\n".format(
                name, self.STATES[int(module["state"])], uses,
                ", by " + ", ".join(users) if users else ""))
            gdb.write("  {:#x}, {} bytes, of which code {}\n".format(
                int(layout["base"]), int(layout["size"]), int(layout["text_size"])))
            rows = [["SECTION", "ADDRESS"]]
            rows += [[name, "{:#x}".format(at)] for name, at in kernel.sections(module)]
            gdb.write(columns(rows))


def text(array):
    return array.string(errors="replace")


def named(name, value):
    return "{} at {:#x}".format(name, int(value.address))


def register():
    for command in (Waiters, Mutex, Workers, Timers, Module):
        command()
