// SPDX-License-Identifier: GPL-2.0

//! Whatever is called back has data that may go to another CPU.

use core::cell::Cell;
use lkm::{sync::Arc, tasklet::TaskletCallback};

struct Count(Arc<Cell<u64>>);

impl TaskletCallback for Count //~ ERROR E0277
{
    fn run(&mut self) {
        self.0.set(1);
    }
}
