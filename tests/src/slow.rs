//! Memory that a system call cannot get on with for seconds.

use std::ffi::CStr;
use std::fs::File;
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::io::{AsRawFd, FromRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{fallocate, FallocateFlags};
use nix::sched::{sched_setaffinity, CpuSet};
use nix::sys::memfd::{memfd_create, MemFdCreateFlag};
use nix::sys::mman::{mmap, munmap, MapFlags, ProtFlags};
use nix::unistd::Pid;

use crate::memory::PAGE;

/// Freeing so much takes a CPU some hundredths of a second.
const FILE: usize = 32 << 20;

/// A page as any other, and behind it one that whoever touches it sleeps for: for several seconds,
/// or until [`release`](Self::release).
///
/// It is a page of a file in memory into which a hole is being punched, and who touches one of
/// those waits for the end of that (shmem_fault() in mm/shmem.c). The end does not come because
/// the thread that punches is preempted in the midst of it: it is to run only when its CPU is
/// idle, and another thread keeps that CPU busy.
pub struct SlowMemory {
    start: usize,
    busy: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl SlowMemory {
    #[allow(clippy::new_without_default)]
    pub fn new() -> SlowMemory {
        // The hole may be there before anyone could interrupt it, if the host has other things to
        // do; but not as a rule.
        (0..20)
            .find_map(|_| SlowMemory::try_new())
            .expect("no hole was interrupted, twenty times in a row")
    }

    fn try_new() -> Option<SlowMemory> {
        let name = CStr::from_bytes_with_nul(b"slow\0").unwrap();
        let file = memfd_create(name, MemFdCreateFlag::empty()).expect("memfd_create(2) failed");
        // SAFETY: it is a new descriptor, and nobody else's.
        let file = Arc::new(unsafe { File::from_raw_fd(file) });
        file.write_all_at(&vec![b's'; FILE], 0)
            .expect("no memory for the file");
        let start = map(&file);
        let blocks = |file: &File| file.metadata().expect("fstat(2) failed").blocks();
        let all = blocks(&file);

        let punching = {
            let file = file.clone();
            thread::spawn(move || {
                run_on_first_cpu();
                run_when_idle();
                let mode =
                    FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
                fallocate(file.as_raw_fd(), mode, 0, FILE as _).expect("fallocate(2) failed");
            })
        };
        let busy = Arc::new(AtomicBool::new(true));
        let (begin, begun) = mpsc::channel();
        let keeping_busy = {
            let busy = busy.clone();
            thread::spawn(move || {
                run_on_first_cpu();
                while blocks(&file) == all {
                    thread::sleep(Duration::from_micros(50));
                }
                begin.send(blocks(&file) > 0).unwrap();
                while busy.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
            })
        };
        let memory = SlowMemory {
            start,
            busy,
            threads: vec![punching, keeping_busy],
        };
        begun.recv().unwrap().then(|| memory)
    }

    /// The address `bytes` before the slow page.
    pub fn before_the_slow_page(&self, bytes: usize) -> usize {
        self.start + PAGE - bytes
    }

    /// Lets all go on who sleep for the slow page; from now on it is as any other.
    pub fn release(&mut self) {
        self.busy.store(false, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }

    /// The `length` bytes from `bytes` before the page on that was slow. No call may use them now.
    pub fn bytes(&mut self, bytes: usize, length: usize) -> Vec<u8> {
        self.release();
        let address = self.before_the_slow_page(bytes) as *const u8;
        // SAFETY: within the two pages, which are mapped and initialised.
        unsafe { std::slice::from_raw_parts(address, length) }.to_vec()
    }
}

impl Drop for SlowMemory {
    fn drop(&mut self) {
        self.release();
        // SAFETY: the mapping is ours, and nobody has a reference into it.
        unsafe { munmap(self.start as *mut _, 2 * PAGE) }.unwrap();
    }
}

/// Maps a page of nothing and behind it the first page of `file`.
fn map(file: &File) -> usize {
    let length = |pages| NonZeroUsize::new(pages * PAGE).unwrap();
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let alone = MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS;
    // SAFETY: a new mapping, at an address of the kernel's choice.
    let start = unsafe { mmap(None, length(2), protection, alone, -1, 0) }.unwrap() as usize;
    let shared = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED;
    let second = NonZeroUsize::new(start + PAGE);
    // SAFETY: it takes the place of the second page, of which nobody has a reference.
    unsafe { mmap(second, length(1), protection, shared, file.as_raw_fd(), 0) }.unwrap();
    start
}

fn run_on_first_cpu() {
    let mut first = CpuSet::new();
    first.set(0).unwrap();
    sched_setaffinity(Pid::from_raw(0), &first).unwrap();
}

fn run_when_idle() {
    let priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: `priority` is read during the call only.
    let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &priority) };
    Errno::result(set).expect("sched_setscheduler(2) failed");
}
