// SPDX-License-Identifier: GPL-2.0

//! What a read is to be written to is there for that call, and may be a vector that is then gone.

use lkm::{
    fs::File,
    miscdevice::{FileOperations, MiscDevice},
    prelude::*,
    uaccess::{UserSlice, UserSliceWriter},
};

/// Would write to it some other time.
pub fn keep(_: UserSliceWriter<'static>) {}

/// A device.
pub struct Device;

impl MiscDevice for Device {
    type Shared = ();
    const FILE_OPERATIONS: FileOperations<Self> = FileOperations {
        read: Some(Self::read),
        ..FileOperations::NONE
    };

    fn open(_: &(), _: &File) -> Result<Self> {
        Ok(Device)
    }
}

impl Device {
    fn read(&self, _: &File, buffer: &mut UserSliceWriter<'_>, _: &mut i64) -> Result<usize> {
        let other = UserSlice::new(0, 0).writer();
        keep(core::mem::replace(buffer, other)); //~ ERROR E0521
        Ok(0)
    }
}
