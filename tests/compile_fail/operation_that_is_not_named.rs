// SPDX-License-Identifier: GPL-2.0

//! A device has the operations that it names, as in C, and a function that it does not name is
//! there for nothing.

use lkm::{
    fs::File,
    miscdevice::{FileOperations, MiscDevice},
    prelude::*,
    uaccess::UserSliceWriter,
};

/// Would know no ioctl(2).
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
    fn read(&self, _: &File, _: &mut UserSliceWriter<'_>, _: &mut i64) -> Result<usize> {
        Ok(0)
    }

    #[rustfmt::skip]
    fn ioctl(&self, _: &File, _: u32, _: usize) -> Result<isize> { //~ ERROR never used
        Ok(0)
    }
}
