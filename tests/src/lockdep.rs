//! lockdep, which watches the order in which locks are taken, in a kernel that has it.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the tests know already that it is off.
static KNOWN: AtomicBool = AtomicBool::new(false);

/// Whether it watches. It does until it has something to report, which it does once for each boot,
/// or until the kernel has found itself so broken that locks cannot be relied on.
pub fn lockdep_is_on() -> bool {
    // A file that only a kernel with CONFIG_PROVE_LOCKING has.
    let stats = fs::read_to_string("/proc/lockdep_stats").unwrap_or_default();
    debug_locks(&stats) == Some(true)
}

fn debug_locks(stats: &str) -> Option<bool> {
    let mut lines = stats.lines().map(str::trim_start);
    let value = lines.find_map(|line| line.strip_prefix("debug_locks:"))?;
    Some(value.trim() != "0")
}

/// Says once, of a kernel that has it, that it is off, unless that is known.
pub fn complaint() -> Option<String> {
    let stats = fs::read_to_string("/proc/lockdep_stats").ok()?;
    let is_news = debug_locks(&stats) != Some(true) && !KNOWN.swap(true, Ordering::Relaxed);
    is_news.then(|| {
        "lockdep is off, since this test or an earlier moment of this boot, and watches no locks \
         any more; the kernel's log says why"
            .to_owned()
    })
}

/// From now on nobody wonders that it is off.
#[track_caller]
pub fn expect_off() {
    assert!(!lockdep_is_on(), "lockdep has reported nothing");
    KNOWN.store(true, Ordering::Relaxed);
}

/// The names of its classes of locks. Of those that have the same name, all but the first end in
/// `#` and a number.
pub fn lock_classes() -> Vec<String> {
    let classes = fs::read_to_string("/proc/lockdep").expect("/proc/lockdep");
    classes.lines().filter_map(class_of).collect()
}

/// As in `ffffffc008c255b0 FD:   37 BD:    3 +.+.: misc_mtx`; the lines below it begin with ` ->`.
fn class_of(line: &str) -> Option<String> {
    let name = line.rsplit_once(": ")?.1;
    line.contains(" FD:").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_files_are_understood() {
        let stats =
            " max lock class index:       371\n debug_locks:            1\n\n zapped classes: 1\n";
        assert_eq!(debug_locks(stats), Some(true));
        assert_eq!(
            debug_locks(&stats.replace(":            1", ": 0")),
            Some(false)
        );
        assert_eq!(debug_locks(""), None);

        let class = "ffffffc000655590 FD:   38 BD:    1 ....: simrupt_fifo#2";
        assert_eq!(class_of(class).as_deref(), Some("simrupt_fifo#2"));
        assert_eq!(class_of(" -> [ffffffc008c255b0] misc_mtx"), None);
        assert_eq!(class_of("all lock classes:"), None);
    }
}
