// SPDX-License-Identifier: GPL-2.0

//! `/dev/misc_rwlock`: a message guarded by a read-write semaphore.
//!
//! As `misc_mutex`, but readers do not wait for each other: any number of them
//! copies the message to userland at a time. A writer has it to itself.
//!
//! The calls of the node are in `misc/device.rs`; what is here is the guarding.
#[path = "misc/device.rs"]
mod device;
#[path = "misc/page.rs"]
mod page;

use device::{copy_in, Guarded, Message, OpenFile};
use lkm::{
    miscdevice::MiscDeviceRegistration,
    new_rwsem,
    prelude::*,
    sync::RwSemaphore,
    uaccess::{UserSliceReader, UserSliceWriter},
};
use page::Page;

module! {
    type: MiscRwlock,
    name: "misc_rwlock",
    author: "rlkm",
    description: "A device guarded by a read-write semaphore",
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

impl Guarded for RwSemaphore<Message> {
    type Opened = Page;

    fn new(first: Message) -> Result<Self> {
        new_rwsem!(first, "misc_rwlock")
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
        let message = self.read();
        page.read(|text| *text = message.text, buffer, position)
    }

    #[inline]
    fn replace(&self, buffer: &mut UserSliceReader<'_>) -> Result {
        let mut message = self.write();
        // Whole before it replaces the old one: half of it may be unreadable.
        let mut new = Message::empty();
        copy_in(&mut new.text, buffer)?;
        new.follow(&message);
        *message = new;
        Ok(())
    }

    fn stats(&self, stats: &mut uapi::misc_stats) {
        self.read().describe(stats);
        stats.messages = 1;
    }
}

struct MiscRwlock {
    _registration: MiscDeviceRegistration<OpenFile<RwSemaphore<Message>>>,
}

impl Module for MiscRwlock {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(MiscRwlock {
            _registration: device::register(
                c_str!("misc_rwlock"),
                module_parameters::mode.value(),
                module_parameters::initmsg.value(),
            )?,
        })
    }
}
