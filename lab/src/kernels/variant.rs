//! What a kernel is built for: to be used, to find faults, or to be looked into.

use crate::guest::ports;
use crate::kernels::arch::Arch;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

/// A kernel's variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    #[default]
    Plain,
    /// With .config.fragment.debug: the kernel's own detectors, and injected faults.
    Debug,
    /// With .config.fragment.trace: what gdb and tracers need.
    Trace,
    /// A distribution's own, without CONFIG_RUST.
    Stock,
}

impl Variant {
    /// Those that the lab builds.
    pub const BUILT: [Variant; 3] = [Variant::Plain, Variant::Debug, Variant::Trace];

    /// That of a built tree, whoever has built it: KASAN is what makes the difference for a guest, and
    /// its version tells the one for tracers.
    pub fn of_tree(kdir: &Path) -> io::Result<Variant> {
        let config = fs::read_to_string(kdir.join(".config"))?;
        let has = |option: &str| config.lines().any(|line| line == option);
        Ok(if has("CONFIG_KASAN=y") {
            Variant::Debug
        } else if has("CONFIG_LOCALVERSION=\"-trace\"") {
            Variant::Trace
        } else if has("CONFIG_RUST=y") {
            Variant::Plain
        } else {
            Variant::Stock
        })
    }

    /// That of a kernel which a module is built for. Plain and debug look alike to the kernel's own
    /// check, and one kernel goes down with the other's modules.
    pub fn of_module(module: &[u8]) -> Variant {
        // What KASAN has each object call, if only for the variables in it.
        if ports::find(module, b"__asan_").is_some() {
            Variant::Debug
        } else if is_for_release(module, b"-trace ") {
            Variant::Trace
        } else {
            Variant::Plain
        }
    }

    /// The name of its trees, which are kept side by side.
    pub fn tree(self, arch: &Arch) -> String {
        match self {
            Variant::Plain => arch.name.to_owned(),
            Variant::Debug | Variant::Trace | Variant::Stock => format!("{arch}-{self}"),
        }
    }

    /// A guest's memory, as QEMU writes it: KASAN takes an eighth, and keeps for a while what is
    /// freed. A stock kernel is ten times as large.
    pub fn memory(self) -> &'static str {
        match self {
            Variant::Plain | Variant::Trace => "256M",
            Variant::Debug | Variant::Stock => "512M",
        }
    }

    /// What its kernel is told at boot. SLUB checks as much as without it, and allocations from all of
    /// its caches can be made to fail, but kmemleak's own is left alone: one of its objects comes with
    /// each other. Locks are counted once `lab lockstat` asks for it.
    pub fn arguments(self) -> &'static str {
        match self {
            Variant::Plain | Variant::Trace | Variant::Stock => "",
            Variant::Debug => "slub_debug=FZPUA;-,kmemleak_object sysctl.kernel.lock_stat=0",
        }
    }

    /// The seconds after which a guest is given up.
    pub fn timeout(self) -> u64 {
        match self {
            Variant::Plain | Variant::Trace | Variant::Stock => 300,
            Variant::Debug => 3_600,
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Variant::Plain => "plain",
            Variant::Debug => "debug",
            Variant::Trace => "trace",
            Variant::Stock => "stock",
        })
    }
}

/// Whether the release in the module's vermagic ends like this.
fn is_for_release(module: &[u8], end: &[u8]) -> bool {
    const VERMAGIC: &[u8] = b"vermagic=";
    let release = ports::find(module, VERMAGIC).map(|at| &module[at + VERMAGIC.len()..]);
    let word = |text: &[u8]| {
        let space = text.iter().position(|&byte| byte == b' ');
        space.map_or(false, |space| text[..=space].ends_with(end))
    };
    release.map_or(false, word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trees_config_tells_its_variant() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Variant::of_tree(dir.path()).is_err());
        for (config, variant) in [
            ("CONFIG_RUST=y\n# CONFIG_KASAN is not set\n", Variant::Plain),
            ("CONFIG_KASAN=y\nCONFIG_RUST=y\n", Variant::Debug),
            ("CONFIG_LOCALVERSION=\"-trace\"\n", Variant::Trace),
            ("# CONFIG_KASAN is not set\n", Variant::Stock),
        ] {
            fs::write(dir.path().join(".config"), config).unwrap();
            assert_eq!(Variant::of_tree(dir.path()).unwrap(), variant);
        }
    }

    #[test]
    fn what_a_module_calls_tells_the_variant_that_it_is_for() {
        let module = |calls: &str| Variant::of_module(format!("\x7fELF\0{calls}\0").as_bytes());
        assert_eq!(module("_printk\0__asan_register_globals"), Variant::Debug);
        assert_eq!(module("_printk\0misc_register"), Variant::Plain);
        let release = |release: &str| module(&format!("vermagic={release} SMP preempt aarch64"));
        assert_eq!(release("6.1.192-trace"), Variant::Trace);
        assert_eq!(release("6.1.192"), Variant::Plain);
    }
}
