// SPDX-License-Identifier: GPL-2.0

//! `/dev/misc_rcu`: a message that is read without a lock.
//!
//! A reader takes no lock and waits for nobody; it copies the message in a
//! read-side critical section, and to userland after that. A writer publishes
//! a new message and has the old one freed when no reader is left that could
//! have seen it: after a grace period. Writers wait for each other.
//!
//! By default a writer waits for the grace period itself, for milliseconds or
//! some tens of them. With `deferred=1` it goes on at once, and leaves the old
//! message to `call_rcu`: while `misc hammer` runs, `misc stats` shows how many
//! `messages` are in memory, the current one among them. Unloading waits for
//! the others.
//!
//! The calls of the node are in `misc/device.rs`; what is here is the guarding.
#[path = "misc/device.rs"]
mod device;
#[path = "misc/live.rs"]
mod live;
#[path = "misc/page.rs"]
mod page;

use device::{copy_in, Guarded, Message, OpenFile};
use live::Live;
use lkm::{
    miscdevice::MiscDeviceRegistration,
    new_rcu_pointer,
    prelude::*,
    sync::rcu::{self, Prepared},
    uaccess::{UserSliceReader, UserSliceWriter},
};
use page::Page;

module! {
    type: MiscRcu,
    name: "misc_rcu",
    author: "rlkm",
    description: "A device whose message is read under RCU",
    license: "GPL",
    params: {
        initmsg: str {
            default: "Hello, world!\n",
            permissions: 0o444,
            description: "the first message, at most 128 bytes",
        },
        mode: octal {
            default: 0o600,
            permissions: 0o444,
            description: "permissions of the node, in octal: 0 to 0777",
        },
        deferred: bool {
            default: false,
            permissions: 0o644,
            description: "free an old message by call_rcu, instead of waiting in write(2)",
        },
    },
}

type Published = rcu::Pointer<Live>;

impl Guarded for Published {
    type Opened = Page;

    fn new(first: Message) -> Result<Self> {
        new_rcu_pointer!(Live::new(first), "misc_rcu")
    }

    fn open(&self) -> Result<Page> {
        Page::new()
    }

    #[inline]
    fn copy_out(
        &self,
        page: &Page,
        buffer: &mut UserSliceWriter<'_>,
        position: &mut i64,
    ) -> Result<usize> {
        // A copy: reading ends before anything sleeps.
        let current = |text: &mut _| rcu::with_read_lock(|guard| *text = self.read(guard).text);
        page.read(current, buffer, position)
    }

    #[inline]
    fn replace(&self, buffer: &mut UserSliceReader<'_>) -> Result {
        // Read right into where it stays: nobody sees it before it is published.
        let mut new = Prepared::new(Live::new(Message::empty()))?;
        copy_in(&mut new.text, buffer)?;
        let old = self.publish(new, |new, current| new.follow(current));
        // The next writer need not wait for the grace period of this one.
        if module_parameters::deferred.value() {
            old.call_rcu();
        } else {
            old.synchronize_rcu();
        }
        Ok(())
    }

    fn stats(&self, stats: &mut uapi::misc_stats) {
        rcu::with_read_lock(|guard| self.read(guard).describe(stats));
        stats.messages = Live::count();
    }
}

struct MiscRcu {
    _registration: MiscDeviceRegistration<OpenFile<Published>>,
}

impl Module for MiscRcu {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(MiscRcu {
            _registration: device::register(
                c_str!("misc_rcu"),
                module_parameters::mode.value(),
                module_parameters::initmsg.value(),
            )?,
        })
    }
}
