//! What the kernel has in memory for itself, to see whether something was left there.

use std::collections::BTreeMap;
use std::fs;

use nix::sched::{sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::cpus::run_on;
use crate::wait::holds_in_time;

/// How many objects of each slab cache there are, and pages of each kind.
#[derive(Clone, Debug)]
pub struct KernelMemory {
    objects: BTreeMap<String, Cache>,
    /// In the order of `SPARE_PAGES`.
    pages: Vec<u64>,
}

/// A slab cache.
#[derive(Clone, Copy, Debug)]
struct Cache {
    active: u64,
    /// The slab that a CPU has in hand counts as full.
    in_a_slab: u64,
}

/// Of one cache, which other parts of the kernel use as well, beside a slab. What leaks once in each
/// of 1,000 rounds is more than that.
const SPARE_OBJECTS: u64 = 64;
/// The books of a debug kernel, which grow as they like.
const BOOKS: [&str; 2] = ["debug_objects_cache", "kmemleak_object"];
/// The kinds of pages, and how many of each come and go: slabs that are not full, stacks that are
/// kept for the next thread, memory of each CPU that is at hand for the next allocation.
const SPARE_PAGES: [(&str, u64); 4] = [
    ("SUnreclaim", 512),
    ("KernelStack", 128),
    ("VmallocUsed", 256),
    ("Percpu", 24),
];

impl KernelMemory {
    /// What there is when nothing is kept that need not be.
    pub fn settled() -> KernelMemory {
        // To look takes memory, too: let it be a slab of one CPU.
        let thread = Pid::from_raw(0);
        let everywhere = sched_getaffinity(thread).expect("sched_getaffinity");
        run_on(0);
        let memory = KernelMemory::now();
        sched_setaffinity(thread, &everywhere).expect("sched_setaffinity");
        memory
    }

    fn now() -> KernelMemory {
        write("/proc/sys/vm/drop_caches", "3");
        let caches = "/sys/kernel/slab";
        for cache in fs::read_dir(caches).unwrap_or_else(|error| panic!("{caches}: {error}")) {
            // Some are the same under several names; a cache may go meanwhile.
            let shrink = cache.expect(caches).path().join("shrink");
            if shrink.exists() {
                write(shrink.to_str().expect("a cache's name"), "1");
            }
        }
        KernelMemory {
            objects: slabinfo(),
            pages: meminfo(),
        }
    }

    /// Fails unless there is soon as much as there was, or little more.
    #[track_caller]
    pub fn assert_regained(&self) {
        let mut more = String::new();
        let regained = holds_in_time(|| {
            more = self.growth(&KernelMemory::settled());
            more.is_empty()
        });
        assert!(regained, "left in the kernel's memory: {more}");
    }

    fn growth(&self, now: &KernelMemory) -> String {
        let mut growth = Vec::new();
        for (cache, now) in &now.objects {
            let then = self.objects.get(cache).map_or(0, |then| then.active);
            let spare = SPARE_OBJECTS + now.in_a_slab;
            if now.active > then + spare && !BOOKS.contains(&cache.as_str()) {
                growth.push(format!("{} objects of {cache}", now.active - then));
            }
        }
        for (((kind, spare), &then), &now) in SPARE_PAGES.iter().zip(&self.pages).zip(&now.pages) {
            if now > then + spare {
                growth.push(format!("{} pages of {kind}", now - then));
            }
        }
        growth.join(", ")
    }
}

#[track_caller]
fn write(path: &str, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{path}: {error}"));
}

#[track_caller]
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn slabinfo() -> BTreeMap<String, Cache> {
    let text = read("/proc/slabinfo");
    // The first two lines are of its version and the names of its columns.
    let lines = text.lines().skip(2);
    lines
        .map(|line| cache(line).unwrap_or_else(|| panic!("/proc/slabinfo: {line:?}")))
        .collect()
}

/// As in `filp 100 120 256 16 1 : …`: of the numbers, the first is of objects in use, and the fourth
/// of those in a slab.
fn cache(line: &str) -> Option<(String, Cache)> {
    let mut words = line.split_whitespace();
    let name = words.next()?.to_owned();
    let numbers: Result<Vec<u64>, _> = words.take(4).map(str::parse).collect();
    match numbers.ok()?[..] {
        [active, _, _, in_a_slab] => Some((name, Cache { active, in_a_slab })),
        _ => None,
    }
}

/// Pages of what is not in a slab, or is too large for one.
fn meminfo() -> Vec<u64> {
    let text = read("/proc/meminfo");
    let pages = SPARE_PAGES.iter().map(|(kind, _)| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(kind)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        let kib = kib.unwrap_or_else(|| panic!("/proc/meminfo: no {kind} in {text}"));
        kib / 4
    });
    pages.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_slabinfo_is_a_cache() {
        let line = "kmalloc-8  1000  1024  8  512  1 : tunables 0 0 0 : slabdata 2 2 0";
        let (name, cache) = cache(line).unwrap();
        assert_eq!(
            (name.as_str(), cache.active, cache.in_a_slab),
            ("kmalloc-8", 1000, 512)
        );
        assert!(super::cache("kmalloc-8 1000 1024").is_none());
    }

    #[test]
    fn what_grows_by_more_than_is_spare_is_named() {
        let in_a_slab = 16;
        let memory = |objects: &[(&str, u64)], pages: [u64; 4]| KernelMemory {
            objects: (objects.iter())
                .map(|&(cache, active)| (cache.to_owned(), Cache { active, in_a_slab }))
                .collect(),
            pages: pages.to_vec(),
        };
        let before = memory(&[("kmalloc-64", 100), ("inode_cache", 9)], [10, 20, 30, 40]);
        let spare = memory(&[("kmalloc-64", 180), ("new", 80)], [522, 148, 286, 64]);
        assert_eq!(before.growth(&spare), "");
        let books = memory(&[("kmemleak_object", 9_000)], [0; 4]);
        assert_eq!(before.growth(&books), "");
        let leaked = memory(&[("kmalloc-64", 181), ("new", 81)], [10, 20, 287, 40]);
        assert_eq!(
            before.growth(&leaked),
            "81 objects of kmalloc-64, 81 objects of new, 257 pages of VmallocUsed"
        );
    }
}
