// SPDX-License-Identifier: GPL-2.0

//! `/dev/misc_spinlock`: a message guarded by a spin lock.
//!
//! Who waits for a spin lock burns CPU time, so it is held for moments, and who
//! holds it must not sleep. To copy from or to userland may sleep, when a page
//! is not in memory. So that happens before or after, and under the lock one
//! message takes the place of another.
//!
//! With `buggy=1` a writer copies from userland with the lock held, the usual
//! way to get this wrong. Nothing is seen of it, until one day a page is not in
//! memory and a good pointer is `EFAULT`. A debug kernel
//! (`CONFIG_DEBUG_ATOMIC_SLEEP`) says at the first write what is wrong, and
//! where: "sleeping function called from invalid context".
//!
//! The calls of the node are in `misc/device.rs`; what is here is the guarding.
#[path = "misc/device.rs"]
mod device;
#[path = "misc/page.rs"]
mod page;

use device::{copy_in, Guarded, Message, OpenFile};
use lkm::{
    miscdevice::MiscDeviceRegistration,
    new_spinlock,
    prelude::*,
    sync::SpinLock,
    uaccess::{UserSliceReader, UserSliceWriter},
};
use page::Page;

module! {
    type: MiscSpinlock,
    name: "misc_spinlock",
    author: "rlkm",
    description: "A device guarded by a spin lock",
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
        buggy: bool {
            default: false,
            permissions: 0o644,
            description: "copy from userland, which may sleep, with the lock held",
        },
    },
}

impl Guarded for SpinLock<Message> {
    type Opened = Page;

    fn new(first: Message) -> Result<Self> {
        new_spinlock!(first, "misc_spinlock")
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
        // A copy: the lock is released before anything sleeps.
        page.read(
            |text| self.with(|message| *text = message.text),
            buffer,
            position,
        )
    }

    #[inline]
    fn replace(&self, buffer: &mut UserSliceReader<'_>) -> Result {
        if module_parameters::buggy.value() {
            let mut message = self.lock();
            let mut new = Message::empty();
            copy_in(&mut new.text, buffer)?;
            new.follow(&message);
            *message = new;
            return Ok(());
        }
        let mut new = Message::empty();
        copy_in(&mut new.text, buffer)?;
        let mut message = self.lock();
        new.follow(&message);
        *message = new;
        Ok(())
    }

    fn stats(&self, stats: &mut uapi::misc_stats) {
        self.lock().describe(stats);
        stats.messages = 1;
    }
}

struct MiscSpinlock {
    _registration: MiscDeviceRegistration<OpenFile<SpinLock<Message>>>,
}

impl Module for MiscSpinlock {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(MiscSpinlock {
            _registration: device::register(
                c_str!("misc_spinlock"),
                module_parameters::mode.value(),
                module_parameters::initmsg.value(),
            )?,
        })
    }
}
