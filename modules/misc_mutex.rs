// SPDX-License-Identifier: GPL-2.0

//! `/dev/misc_mutex`: a message guarded by a mutex.
//!
//! A thread that waits for a mutex sleeps, and the holder may sleep, too. So
//! messages are copied from and to userland with the lock held. The price: if a
//! page of one user has to come from a disk first, everybody waits.
//!
//! `with` lends a closure what the mutex guards, and is all that a read or a write
//! needs. `lock`, as `stats` has it, returns a guard, which may be kept for longer
//! than a closure lasts; what that makes possible costs some instructions more.
//!
//! The calls of the node are in `misc/device.rs`; what is here is the guarding.
#[path = "misc/device.rs"]
mod device;
#[path = "misc/page.rs"]
mod page;

use device::{copy_in, Guarded, Message, OpenFile};
use lkm::{
    miscdevice::MiscDeviceRegistration,
    new_mutex,
    prelude::*,
    sync::Mutex,
    uaccess::{UserSliceReader, UserSliceWriter},
};
use page::Page;

module! {
    type: MiscMutex,
    name: "misc_mutex",
    author: "rlkm",
    description: "A device guarded by a mutex",
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
    },
}

impl Guarded for Mutex<Message> {
    type Opened = Page;

    fn new(first: Message) -> Result<Self> {
        new_mutex!(first, "misc_mutex")
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
        self.with(|message| page.read(|text| *text = message.text, buffer, position))
    }

    #[inline]
    fn replace(&self, buffer: &mut UserSliceReader<'_>) -> Result {
        self.with(|message| {
            // Whole before it replaces the old one: half of it may be unreadable.
            let mut new = Message::empty();
            copy_in(&mut new.text, buffer)?;
            new.follow(message);
            *message = new;
            Ok(())
        })
    }

    fn stats(&self, stats: &mut uapi::misc_stats) {
        self.lock().describe(stats);
        stats.messages = 1;
    }
}

struct MiscMutex {
    _registration: MiscDeviceRegistration<OpenFile<Mutex<Message>>>,
}

impl Module for MiscMutex {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(MiscMutex {
            _registration: device::register(
                c_str!("misc_mutex"),
                module_parameters::mode.value(),
                module_parameters::initmsg.value(),
            )?,
        })
    }
}
