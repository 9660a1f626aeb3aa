// SPDX-License-Identifier: GPL-2.0

//! What nearly every module needs: `use lkm::prelude::*;`.

pub use crate::{
    c_str,
    error::{code::*, Error, Result},
    module,
    module::{Module, ThisModule},
    pr_alert, pr_crit, pr_debug, pr_emerg, pr_err, pr_info, pr_notice, pr_warn, printk_debug,
};
