// SPDX-License-Identifier: GPL-2.0

//! The eight log levels, and the one that can be switched.
//!
//! ```text
//! # insmod printk_levels.ko dyndbg=+p
//! # dmesg
//! printk_levels: Hello, world @ log-level KERN_EMERG   [0]
//! ...
//! printk_levels: Hello, world @ log-level KERN_DEBUG   [7]
//! printk_levels: Hello, world @ pr_debug
//! ```
//!
//! Which of them reach the console is for `dmesg -n` to say; all are in the
//! log. The last line comes only with `dyndbg=+p`, or once it is switched on
//! in `/sys/kernel/debug/dynamic_debug/control`; without
//! `CONFIG_DYNAMIC_DEBUG`, only if the kernel has debug assertions.

use lkm::prelude::*;

module! {
    type: PrintkLevels,
    name: "printk_levels",
    author: "rlkm",
    description: "Prints one line at each log level",
    license: "GPL",
}

struct PrintkLevels;

impl Module for PrintkLevels {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_emerg!("Hello, world @ log-level KERN_EMERG   [0]\n");
        pr_alert!("Hello, world @ log-level KERN_ALERT   [1]\n");
        pr_crit!("Hello, world @ log-level KERN_CRIT    [2]\n");
        pr_err!("Hello, world @ log-level KERN_ERR     [3]\n");
        pr_warn!("Hello, world @ log-level KERN_WARNING [4]\n");
        pr_notice!("Hello, world @ log-level KERN_NOTICE  [5]\n");
        pr_info!("Hello, world @ log-level KERN_INFO    [6]\n");
        printk_debug!("Hello, world @ log-level KERN_DEBUG   [7]\n");
        pr_debug!("Hello, world @ pr_debug\n");
        Ok(PrintkLevels)
    }
}

impl Drop for PrintkLevels {
    fn drop(&mut self) {
        pr_info!("Goodbye, world @ log-level KERN_INFO    [6]\n");
    }
}
