//! Which kernel an option names: one that the lab builds, or one of Debian's.

use super::arch::Arch;
use super::stock::Stock;
use super::tree;
use super::variant::Variant;
use anyhow::Result;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A kernel, of whichever architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    Built(Variant),
    Stock(Stock),
}

impl Which {
    pub fn variant(&self) -> Variant {
        match self {
            Which::Built(variant) => *variant,
            Which::Stock(_) => Variant::Stock,
        }
    }

    /// What make is told to build for it.
    pub fn for_make(&self) -> String {
        match self {
            Which::Built(_) => format!("VARIANT={self}"),
            Which::Stock(_) => format!("KERNEL={self}"),
        }
    }

    /// Where it is, if it is ready.
    pub fn kdir(&self, arch: &'static Arch) -> Result<PathBuf> {
        match self {
            Which::Built(variant) => tree::kdir(arch, *variant),
            Which::Stock(stock) => stock.kdir(arch),
        }
    }
}

impl Default for Which {
    fn default() -> Self {
        Which::Built(Variant::default())
    }
}

impl FromStr for Which {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if let Some(variant) = Variant::BUILT.into_iter().find(|v| v.to_string() == name) {
            return Ok(Which::Built(variant));
        }
        Stock::parse(name).map(Which::Stock).ok_or_else(|| {
            let names = Variant::BUILT.map(|variant| variant.to_string()).join(", ");
            format!(
                "no such kernel; there are: {names}, and Debian's: stock, cloud, stock:6.1.0-57"
            )
        })
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Which::Built(variant) => variant.fmt(f),
            Which::Stock(stock) => stock.fmt(f),
        }
    }
}
