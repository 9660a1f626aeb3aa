//! What differs on a kernel that looks for faults.

use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::Path;

/// Whether the kernel looks for faults: it takes ten times as long for all that it does.
pub fn is_debug_kernel() -> bool {
    Path::new("/sys/kernel/debug/kmemleak").exists()
}

/// How often a race is tried: `count` times, and a tenth of that on a debug kernel, whose detectors
/// see what is wrong when nothing has come of it.
pub fn rounds(count: u32) -> Range<u32> {
    0..if is_debug_kernel() { count / 10 } else { count }
}

/// Where the guest's init, which looks for leaks, reads what names begin with.
const LEAKS: &str = "/tmp/leaks";
const COMM: &str = "/proc/thread-self/comm";

/// Runs a test that leaks kernel memory on purpose: what its thread allocates meanwhile is not
/// taken for a leak afterwards.
pub fn leaks_on_purpose(test: impl FnOnce()) {
    let name = fs::read(COMM).expect(COMM);
    leaks_of_thread("leaks");
    fs::write(COMM, "leaks").expect(COMM);
    test();
    fs::write(COMM, name).expect(COMM);
}

/// As for [`leaks_on_purpose`], but for what threads allocate, now or later, whose names begin so.
pub fn leaks_of_thread(name: &str) {
    let file = fs::OpenOptions::new().append(true).create(true).open(LEAKS);
    writeln!(file.expect(LEAKS), "{name}").expect(LEAKS);
}
