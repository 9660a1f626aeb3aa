//! Loading and unloading a module over and over while several threads use its node: it can be
//! unloaded or is in use, it loads, a node is there or is not, and nothing else happens. In the end
//! the kernel has as much memory as before.
//!
//! RLKM_CYCLES says how often.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::io::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use abi::ksort::KSORT_GET_STATS;
use abi::misc::MISC_GET_STATS;
use abi::percpu_counter::PERCPU_COUNTER_GET_TOTAL;
use abi::simrupt::SIMRUPT_GET_STATS;
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags};
use tests::{is_debug_kernel, setting, ExpeditedGracePeriods, KernelMemory, Module};

/// A module with a node of the same name.
#[derive(Clone, Copy)]
struct Node {
    name: &'static str,
    parameters: &'static [&'static str],
    /// An ioctl that writes less than 256 bytes.
    get: u32,
    write: Result<usize, Errno>,
}

/// Between two tries. To try all the time keeps those waiting who would make it succeed.
const SHORT: Duration = Duration::from_micros(100);

/// What a write takes.
const BYTES: &[u8] = &[0x55; 64];

#[test]
fn misc_mutex() {
    reload(misc("misc_mutex"));
}

#[test]
fn misc_spinlock() {
    reload(misc("misc_spinlock"));
}

#[test]
fn misc_rwlock() {
    reload(misc("misc_rwlock"));
}

#[test]
fn misc_refcount() {
    reload(misc("misc_refcount"));
}

#[test]
fn misc_rcu() {
    reload(Node {
        parameters: &["deferred=1"],
        ..misc("misc_rcu")
    });
}

fn misc(name: &'static str) -> Node {
    Node {
        name,
        parameters: &[],
        get: MISC_GET_STATS,
        write: Ok(BYTES.len()),
    }
}

#[test]
fn percpu_counter() {
    reload(Node {
        name: "percpu_counter",
        parameters: &["step_ms=1"],
        get: PERCPU_COUNTER_GET_TOTAL,
        write: Ok(BYTES.len()),
    });
}

#[test]
fn simrupt() {
    reload(Node {
        name: "simrupt",
        parameters: &["log=0", "delay_ms=1"],
        get: SIMRUPT_GET_STATS,
        write: Err(Errno::EINVAL),
    });
}

#[test]
fn ksort() {
    reload(Node {
        name: "ksort",
        parameters: &[],
        get: KSORT_GET_STATS,
        write: Ok(BYTES.len()),
    });
}

const USERS: usize = 4;

/// How often the node was opened, and how often it was not there.
#[derive(Default)]
struct Opens {
    good: AtomicU64,
    none: AtomicU64,
}

fn reload(node: Node) {
    let few = if is_debug_kernel() { 5 } else { 20 };
    let cycles = setting("RLKM_CYCLES").unwrap_or(few);
    let mut module = Module::load(node.name, node.parameters).expect("the module does not load");
    let _fast = ExpeditedGracePeriods::new();
    // Once before it counts: some of what the kernel takes then it keeps for the next time.
    module.reload(node.parameters);
    module.remove().expect("the module does not unload");
    let memory = KernelMemory::settled();
    let start = Instant::now();
    let end = AtomicBool::new(false);
    let opens = Opens::default();
    let mut busy = 0_u64;
    let failure = thread::scope(|scope| {
        let users: Vec<_> = (0..USERS)
            .map(|_| scope.spawn(|| use_until(&end, &node, &opens)))
            .collect();
        let mut failure = None;
        // And on, until there was somebody who used it while it was loaded and unloaded.
        let met = |busy| {
            let once = |count: &AtomicU64| count.load(Ordering::Relaxed) > 0;
            busy > 0 && once(&opens.good) && once(&opens.none)
        };
        for cycle in 1.. {
            if cycle > cycles && met(busy) {
                break;
            }
            if cycle <= cycles {
                module.watch(move || format!("in cycle {cycle} of {cycles}\n"));
            }
            let cycled = cycle_once(&mut module, &node, &mut busy);
            if let Err(wrong) = cycled {
                failure = Some(format!("cycle {cycle}: {wrong}"));
                break;
            }
            if users.iter().any(|user| user.is_finished()) || module.complaint().is_some() {
                break;
            }
        }
        end.store(true, Ordering::Relaxed);
        let users = users
            .into_iter()
            .filter_map(|user| user.join().unwrap().err());
        users.chain(failure).next()
    });
    assert_eq!(failure, None);
    let took = start.elapsed();
    let (good, none) = (opens.good.into_inner(), opens.none.into_inner());
    println!("{took:.1?}, in use {busy} times; opened {good} times, not there {none} times");
    memory.assert_regained();
}

/// Loads the module, and unloads it as soon as nobody has it open.
fn cycle_once(module: &mut Module, node: &Node, busy: &mut u64) -> Result<(), String> {
    let loaded = module.insert(node.parameters);
    loaded.map_err(|error| format!("does not load: {error}"))?;
    loop {
        match module.remove() {
            Ok(()) => return Ok(()),
            // What rmmod(8) calls in use.
            Err(Errno::EAGAIN) => *busy += 1,
            Err(error) => return Err(format!("cannot be unloaded: {error}")),
        }
        thread::sleep(SHORT);
    }
}

/// Opens, reads, writes, asks, closes; and then leaves the node alone for as long as that took,
/// or more, on a machine of any speed, so that there are moments at which nobody has it open.
fn use_until(end: &AtomicBool, node: &Node, opens: &Opens) -> Result<(), String> {
    let path = format!("/dev/{}", node.name);
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK);
    while !end.load(Ordering::Relaxed) {
        let file = match options.open(&path) {
            Ok(file) => file,
            Err(error) => match error.raw_os_error().map(Errno::from_i32) {
                // Not there yet, no longer, or about to go.
                Some(Errno::ENOENT | Errno::ENODEV | Errno::ENXIO) => {
                    opens.none.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(SHORT);
                    continue;
                }
                _ => return Err(format!("open: {error}")),
            },
        };
        let opened = Instant::now();
        opens.good.fetch_add(1, Ordering::Relaxed);
        let fd = file.as_raw_fd();
        let mut buffer = [0_u8; 256];
        match nix::unistd::write(fd, BYTES) {
            written if written == node.write => {}
            other => return Err(format!("write: {other:?}")),
        }
        match nix::unistd::read(fd, &mut buffer) {
            Ok(_) | Err(Errno::EAGAIN) => {}
            Err(error) => return Err(format!("read: {error}")),
        }
        // SAFETY: the buffer is larger than what the request writes.
        let answer = unsafe { libc::ioctl(fd, node.get as _, buffer.as_mut_ptr()) };
        Errno::result(answer).map_err(|error| format!("ioctl: {error}"))?;
        let mut polled = [PollFd::new(fd, PollFlags::POLLIN)];
        poll(&mut polled, 0).map_err(|error| format!("poll: {error}"))?;
        drop(file);
        thread::sleep(opened.elapsed().mul_f64(4.0 * fastrand::f64()));
    }
    Ok(())
}
