// SPDX-License-Identifier: GPL-2.0

//! `/dev/misc_refcount`: messages that live for as long as somebody refers to
//! them.
//!
//! An open file holds a reference to the message that it was opened with, and
//! reads that one until it is closed, without a lock: a message never changes.
//! A write makes a new message, for those who open next (not for the file that
//! it was written through). The last one to give up its reference frees it:
//! `Arc` sees to that. `references` counts the same once more, to be shown, and
//! to be broken.
//!
//! With `buggy=1` an open counts one reference more than a `refcount_t` can
//! hold. A plain integer would begin again at the bottom and come to 0, and
//! what it stands for would be freed while in use. This one warns, and stays
//! where it is, so that the worst could be a leak; here it is a wrong number,
//! 3221225472 in the statistics until the module is loaded anew. (The close
//! warns, too, of a count that "hit 0": in its own words, for it is only lost.)
//!
//! The calls of the node are in `misc/device.rs`; what is here is the guarding.
#[path = "misc/device.rs"]
mod device;
#[path = "misc/live.rs"]
mod live;

use device::{copy_in, Guarded, Message, OpenFile};
use live::Live;
use lkm::{
    miscdevice::MiscDeviceRegistration,
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex, Refcount},
    uaccess::{UserSliceReader, UserSliceWriter},
};

module! {
    type: MiscRefcount,
    name: "misc_refcount",
    author: "rlkm",
    description: "A device whose messages are reference-counted",
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
            description: "take more references in open(2) than can be counted",
        },
    },
}

struct Refcounted {
    /// For those who open and those who write; readers do not take the lock.
    current: Mutex<Arc<Live>>,
    /// References to messages: that of `current`, and one for each open file.
    references: Arc<Refcount>,
}

/// The reference of an open file.
struct Reference {
    message: Arc<Live>,
    references: Arc<Refcount>,
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.references.dec();
    }
}

impl Guarded for Refcounted {
    type Opened = Reference;

    fn new(first: Message) -> Result<Self> {
        let first = Arc::try_new(Live::new(first))?;
        Ok(Refcounted {
            current: new_mutex!(first, "misc_refcount")?,
            references: Arc::try_new(Refcount::new(1))?,
        })
    }

    fn open(&self) -> Result<Reference> {
        if module_parameters::buggy.value() {
            self.references.set(Refcount::MAX);
        }
        self.references.inc();
        Ok(Reference {
            message: self.current.lock().clone(),
            references: self.references.clone(),
        })
    }

    #[inline]
    fn copy_out(
        &self,
        opened: &Reference,
        buffer: &mut UserSliceWriter<'_>,
        position: &mut i64,
    ) -> Result<usize> {
        buffer.simple_read_from_buffer(position, &opened.message.text)
    }

    #[inline]
    fn replace(&self, buffer: &mut UserSliceReader<'_>) -> Result {
        let mut new = Live::new(Message::empty());
        copy_in(&mut new.text, buffer)?;
        let mut current = self.current.lock();
        new.follow(&current);
        *current = Arc::try_new(new)?;
        Ok(())
    }

    fn stats(&self, stats: &mut uapi::misc_stats) {
        self.current.lock().describe(stats);
        stats.messages = Live::count();
        // As C shows it: a count that is saturated is negative as an `int`.
        stats.references = self.references.read() as u32 as u64;
    }
}

struct MiscRefcount {
    _registration: MiscDeviceRegistration<OpenFile<Refcounted>>,
}

impl Module for MiscRefcount {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(MiscRefcount {
            _registration: device::register(
                c_str!("misc_refcount"),
                module_parameters::mode.value(),
                module_parameters::initmsg.value(),
            )?,
        })
    }
}
