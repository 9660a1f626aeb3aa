// SPDX-License-Identifier: GPL-2.0

//! A module's life: it greets when it is loaded and says goodbye when it is
//! removed.
//!
//! ```text
//! # insmod hello.ko who=kernel times=2
//! # rmmod hello
//! # dmesg
//! hello: Hello, kernel!
//! hello: Hello, kernel!
//! hello: Goodbye, kernel.
//! ```

use lkm::prelude::*;

module! {
    type: Hello,
    name: "hello",
    author: "rlkm",
    description: "Greets, and says goodbye",
    license: "GPL",
    params: {
        who: str {
            default: "world",
            permissions: 0o444,
            description: "whom to greet",
        },
        times: u32 {
            default: 1,
            range: 1..=100,
            permissions: 0o444,
            description: "how many times, 1 to 100",
        },
    },
}

struct Hello {
    who: &'static str,
}

impl Module for Hello {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let who = module_parameters::who.value();
        for _ in 0..module_parameters::times.value() {
            pr_info!("Hello, {}!\n", who);
        }
        Ok(Hello { who })
    }
}

impl Drop for Hello {
    fn drop(&mut self) {
        pr_info!("Goodbye, {}.\n", self.who);
    }
}
