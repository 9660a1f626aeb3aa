// SPDX-License-Identifier: GPL-2.0

//! The device of the misc family: a message that is read and replaced as a
//! whole. All but how it is guarded, which each module says for itself.
//!
//! | call | argument | result | errno |
//! | --- | --- | --- | --- |
//! | open(2) | | an open file | `ENOMEM` |
//! | read(2), pread(2) | buffer | the message from the position on; 0 at its end | `EFAULT` |
//! | write(2), pwrite(2) | 1 to 128 bytes | all of them: they are the message now | `EMSGSIZE`, `EFAULT`, `ENOMEM` |
//! | lseek(2) | `SEEK_SET`, `SEEK_CUR` | the new position | `EINVAL`: any other, or below 0 |
//! | poll(2) | | always `POLLIN` and `POLLOUT` | epoll(7): `EPERM` |
//! | ioctl(2) `MISC_GET_STATS` | `struct misc_stats *` | 0 | `EFAULT` |
//! | ioctl(2) `MISC_RESET_STATS` | | 0 | `EBADF`, if not open for writing |
//! | ioctl(2), any other | | | `ENOTTY` |
//!
//! A read or write of 0 bytes returns 0 and does nothing. What fails changes
//! nothing but the count of errors.
//!
//! A read that begins where the file's last one ended goes on in the same
//! message, even if that was replaced since: to see the new one, seek to 0 or
//! open again. (A file of misc_refcount keeps the message that it was opened
//! with.)
//!
//! The position is that of reads. A write replaces the message whatever the
//! position is, and leaves it alone: the offset of pwrite(2) and `O_APPEND` make
//! no difference.
//!
//! readv(2), splice(2), sendfile(2) and AIO are a read, and what writev(2) or a pipe
//! brings is one message. (copy_file_range(2) is for regular files only.)

use core::sync::atomic::{AtomicU64, Ordering};
use lkm::{
    fs::File,
    miscdevice::{FileOperations, MiscDevice, MiscDeviceOptions, MiscDeviceRegistration},
    prelude::*,
    str::CStr,
    sync::Arc,
    uaccess::{Bytes, UserSlice, UserSliceReader, UserSliceWriter},
};

/// What a message says.
pub(crate) type Text = Bytes<{ uapi::MISC_MESSAGE_MAX as usize }>;

/// What the device holds.
#[derive(Clone, Copy)]
pub(crate) struct Message {
    pub(crate) text: Text,
    /// How many came before it.
    generation: u64,
}

impl Message {
    fn first(text: &str) -> Result<Self> {
        let text = Text::copy_of(text.as_bytes()).ok_or_else(|| {
            let (len, most) = (text.len(), uapi::MISC_MESSAGE_MAX);
            pr_err!("initmsg has {} bytes, at most {} fit\n", len, most);
            EINVAL
        })?;
        Ok(Message {
            text,
            generation: 0,
        })
    }

    /// One that says nothing yet.
    pub(crate) fn empty() -> Self {
        Message {
            text: Text::new(),
            generation: 0,
        }
    }

    /// Makes it the one that comes after `current`.
    pub(crate) fn follow(&mut self, current: &Message) {
        self.generation = current.generation.wrapping_add(1);
    }

    pub(crate) fn describe(&self, stats: &mut uapi::misc_stats) {
        stats.generation = self.generation;
        stats.length = self.text.len() as u64;
    }
}

/// How a module of the family guards its message.
pub(crate) trait Guarded: Send + Sync + Sized + 'static {
    /// What each open file has for itself.
    type Opened: Send + Sync;

    fn new(first: Message) -> Result<Self>;

    fn open(&self) -> Result<Self::Opened>;

    /// Copies to `buffer` from `position` on, and moves that.
    fn copy_out(
        &self,
        opened: &Self::Opened,
        buffer: &mut UserSliceWriter<'_>,
        position: &mut i64,
    ) -> Result<usize>;

    /// Replaces the message with what is in `buffer`: see [`copy_in`].
    fn replace(&self, buffer: &mut UserSliceReader<'_>) -> Result;

    /// Fills in what is known of messages.
    fn stats(&self, stats: &mut uapi::misc_stats);
}

/// What a writer brings, in place of what `text` has; may sleep.
pub(crate) fn copy_in(text: &mut Text, buffer: &mut UserSliceReader<'_>) -> Result {
    if buffer.len() > uapi::MISC_MESSAGE_MAX as usize {
        return Err(EMSGSIZE);
    }
    buffer.read_bytes(text)
}

/// The guarded message, and what is counted: atomics are enough for that, as no
/// count has to agree with another.
pub(crate) struct Device<G> {
    guarded: G,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    opens: AtomicU64,
    errors: AtomicU64,
}

impl<G: Guarded> Device<G> {
    /// Counts an error in `result`, if it is one.
    fn counted<R>(&self, result: Result<R>) -> Result<R> {
        if result.is_err() {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    fn stats(&self) -> uapi::misc_stats {
        let mut stats = uapi::misc_stats {
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
            bytes_written: self.bytes_written.load(Ordering::Relaxed),
            opens: self.opens.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            ..Default::default()
        };
        self.guarded.stats(&mut stats);
        stats
    }

    fn reset_stats(&self) {
        for count in [
            &self.bytes_read,
            &self.bytes_written,
            &self.opens,
            &self.errors,
        ] {
            count.store(0, Ordering::Relaxed);
        }
    }
}

/// An open file.
pub(crate) struct OpenFile<G: Guarded> {
    device: Arc<Device<G>>,
    opened: G::Opened,
}

impl<G: Guarded> OpenFile<G> {
    fn control(&self, file: &File, cmd: u32, arg: usize) -> Result<isize> {
        match cmd {
            uapi::MISC_GET_STATS => {
                let stats = self.device.stats();
                let to = UserSlice::new(arg, core::mem::size_of_val(&stats));
                to.writer().write(&stats)?;
            }
            uapi::MISC_RESET_STATS if file.is_writable() => self.device.reset_stats(),
            uapi::MISC_RESET_STATS => return Err(EBADF),
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }
}

impl<G: Guarded> MiscDevice for OpenFile<G> {
    type Shared = Arc<Device<G>>;
    const SEEKABLE: bool = true;
    const FILE_OPERATIONS: FileOperations<Self> = FileOperations {
        read: Some(Self::read),
        write: Some(Self::write),
        ioctl: Some(Self::ioctl),
        ..FileOperations::NONE
    };

    fn open(device: &Arc<Device<G>>, _file: &File) -> Result<Self> {
        let opened = device.guarded.open()?;
        device.opens.fetch_add(1, Ordering::Relaxed);
        Ok(OpenFile {
            device: device.clone(),
            opened,
        })
    }
}

impl<G: Guarded> OpenFile<G> {
    fn read(
        &self,
        _file: &File,
        buffer: &mut UserSliceWriter<'_>,
        position: &mut i64,
    ) -> Result<usize> {
        let device = &self.device;
        let count = device.counted(device.guarded.copy_out(&self.opened, buffer, position))?;
        device.bytes_read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn write(&self, _file: &File, buffer: &mut UserSliceReader<'_>, _: &mut i64) -> Result<usize> {
        let device = &self.device;
        let count = buffer.len();
        if count == 0 {
            return Ok(0);
        }
        device.counted(device.guarded.replace(buffer))?;
        device
            .bytes_written
            .fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn ioctl(&self, file: &File, cmd: u32, arg: usize) -> Result<isize> {
        self.device.counted(self.control(file, cmd, arg))
    }
}

/// Makes the node. Last in a module's init: from here on, there are openers.
pub(crate) fn register<G: Guarded>(
    name: &'static CStr,
    mode: u16,
    initmsg: &str,
) -> Result<MiscDeviceRegistration<OpenFile<G>>> {
    let device = Arc::try_new(Device {
        guarded: G::new(Message::first(initmsg)?)?,
        bytes_read: AtomicU64::new(0),
        bytes_written: AtomicU64::new(0),
        opens: AtomicU64::new(0),
        errors: AtomicU64::new(0),
    })?;
    MiscDeviceRegistration::register(MiscDeviceOptions { name, mode }, device)
}
