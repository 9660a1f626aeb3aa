//! What the kernel has in memory for itself, to see whether something was left there.

use std::collections::BTreeMap;
use std::fs;

use crate::wait::holds_in_time;

/// How many objects of each slab cache there are, and pages of each kind.
#[derive(Clone, Debug)]
pub struct KernelMemory {
    objects: BTreeMap<String, u64>,
    /// In the order of `SPARE_PAGES`.
    pages: Vec<u64>,
}

/// Of one cache, which other parts of the kernel use as well. What leaks once in each of 1,000
/// rounds is many times that.
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
        for (cache, &now) in &now.objects {
            let then = self.objects.get(cache).copied().unwrap_or(0);
            if now > then + SPARE_OBJECTS && !BOOKS.contains(&cache.as_str()) {
                growth.push(format!("{} objects of {cache}", now - then));
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

/// The objects of each cache that are in use.
fn slabinfo() -> BTreeMap<String, u64> {
    // The first two lines are of its version and the names of its columns.
    let text = read("/proc/slabinfo");
    let lines = text.lines().skip(2).map(|line| {
        let mut words = line.split_whitespace();
        let (name, active) = (words.next(), words.next());
        let active = active.and_then(|active| active.parse().ok());
        (
            name.unwrap_or_default().to_owned(),
            active.unwrap_or_else(|| panic!("/proc/slabinfo: {line:?}")),
        )
    });
    lines.collect()
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
    fn what_grows_by_more_than_is_spare_is_named() {
        let memory = |objects: &[(&str, u64)], pages: [u64; 4]| KernelMemory {
            objects: (objects.iter())
                .map(|&(cache, active)| (cache.to_owned(), active))
                .collect(),
            pages: pages.to_vec(),
        };
        let before = memory(&[("kmalloc-64", 100), ("inode_cache", 9)], [10, 20, 30, 40]);
        let spare = memory(&[("kmalloc-64", 164), ("new", 64)], [522, 148, 286, 64]);
        assert_eq!(before.growth(&spare), "");
        let books = memory(&[("kmemleak_object", 9_000)], [0; 4]);
        assert_eq!(before.growth(&books), "");
        let leaked = memory(&[("kmalloc-64", 165), ("new", 65)], [10, 20, 287, 40]);
        assert_eq!(
            before.growth(&leaked),
            "65 objects of kmalloc-64, 65 objects of new, 257 pages of VmallocUsed"
        );
    }
}
