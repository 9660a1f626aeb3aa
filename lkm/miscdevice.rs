// SPDX-License-Identifier: GPL-2.0

//! Misc devices: a node under /dev, and what its open files do.
//!
//! C headers: `include/linux/miscdevice.h` and `include/linux/fs.h`.

use crate::{
    bindings,
    error::{
        code::{EDEADLK, EINVAL, EIO, EIOCBQUEUED, ENOTTY, ESHUTDOWN},
        to_result, Result,
    },
    fs::{File, PollMask, PollTable, POLL_READABLE, POLL_WRITABLE},
    new_mutex,
    source::{Quiesce, Source},
    str::CStr,
    sync::Mutex,
    this_module_ptr,
    types::{Opaque, Pinned},
    uaccess::{UserSlice, UserSliceReader, UserSliceWriter},
};
use core::{
    ffi::{c_char, c_int, c_long, c_uint, c_ulong},
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::{null_mut, NonNull},
    sync::atomic::{AtomicPtr, Ordering},
};

/// One open file of a device; dropped when its last descriptor is closed.
///
/// All functions are called in process context and may sleep. Several threads
/// may use one open file at a time, so they take `&self`. While a file is
/// open the module cannot be unloaded.
///
/// readv(2) and writev(2) are a call for each of their parts.
pub trait MiscDevice: Sized + Send + Sync + 'static {
    /// What the registration holds for all openers.
    type Shared: Send + Sync + 'static;

    /// Whether open files have a position, for lseek(2), pread(2), pwrite(2).
    /// If not, those are `ESPIPE`, and `position` is 0. There is no `SEEK_END`.
    const SEEKABLE: bool = false;

    /// open(2). Other misc devices cannot be opened until it returns, nor be
    /// registered or dropped. Here that is `EDEADLK`, and a registration that is
    /// dropped is leaked: its node stays until the module is unloaded. To wait
    /// for another thread that does so deadlocks.
    fn open(shared: &Self::Shared, file: &File) -> Result<Self>;

    /// read(2) of at least one byte: how many were written to `buffer`, which
    /// may be fewer than there is room for, and never more; 0 means the end,
    /// for which `cat` waits. The file's position becomes `position`, unless
    /// this fails; two reads at a time may have begun at the same one.
    fn read(
        &self,
        _file: &File,
        _buffer: &mut UserSliceWriter,
        _position: &mut i64,
    ) -> Result<usize> {
        Err(EINVAL)
    }

    /// write(2): how many bytes were taken from `buffer`, which may be empty.
    fn write(
        &self,
        _file: &File,
        _buffer: &mut UserSliceReader,
        _position: &mut i64,
    ) -> Result<usize> {
        Err(EINVAL)
    }

    /// ioctl(2), with its command and its third argument. Those for which the
    /// device has no meaning are `ENOTTY`. (To userland a negative `Ok` is an
    /// error, too.)
    fn ioctl(&self, _file: &File, _cmd: u32, _arg: usize) -> Result<isize> {
        Err(ENOTTY)
    }

    /// poll(2): what is ready now, after the wait queues that will be woken
    /// when that changes were registered.
    fn poll<'file>(&'file self, _file: &File, _table: &mut PollTable<'file>) -> PollMask {
        POLL_READABLE | POLL_WRITABLE
    }
}

/// The most bytes in the name of a file.
const NAME_MAX: usize = 255;

/// What a node is to be.
pub struct MiscDeviceOptions {
    /// Its name under /dev.
    pub name: &'static CStr,
    /// Its permissions, such as `0o600`; other bits are ignored.
    pub mode: u16,
}

/// A node under /dev; dropping it removes the node, but not in
/// [`MiscDevice::open`].
///
/// It is there, and may be opened, from the moment of
/// [`register`](Self::register): so that comes last. Files that are open when
/// it is dropped stay so.
pub struct MiscDeviceRegistration<T: MiscDevice> {
    inner: ManuallyDrop<Source<Inner<T>>>,
}

// SAFETY: openers share `Shared`, which is `Send` and `Sync`; the rest is C's,
// which has a lock for it.
unsafe impl<T: MiscDevice> Send for MiscDeviceRegistration<T> {}
// SAFETY: as above.
unsafe impl<T: MiscDevice> Sync for MiscDeviceRegistration<T> {}

/// # Invariants
///
/// `device` is on the kernel's list of misc devices while `state` says so.
#[repr(C)]
struct Inner<T: MiscDevice> {
    device: Opaque<bindings::miscdevice>,
    open: OpenFn,
    state: Mutex<State>,
    shared: T::Shared,
}

/// A registration goes through these in this order.
#[derive(PartialEq)]
enum State {
    New,
    Registered,
    Gone,
}

/// The part of `Inner<T>` that does not depend on `T`.
#[repr(C)]
struct Header {
    device: Opaque<bindings::miscdevice>,
    open: OpenFn,
}

/// # Safety
///
/// The `Header` is that of an `Inner<T>`, whose open(2) is running, of the file.
type OpenFn = unsafe fn(*const Header, *mut bindings::file) -> Result;

impl<T: MiscDevice> MiscDeviceRegistration<T> {
    /// Makes the node. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` for a name that is empty or has more than 255 bytes,
    /// for which there would be no node; `EDEADLK` in
    /// [`MiscDevice::open`]; `EEXIST`, and a stack dump of the
    /// kernel's in the log, if there is a device of this name; `EBUSY` if there
    /// is no minor number left; `ESHUTDOWN` while the module is being unloaded.
    pub fn register(options: MiscDeviceOptions, shared: T::Shared) -> Result<Self> {
        if !(1..=NAME_MAX).contains(&options.name.as_bytes().len()) {
            return Err(EINVAL);
        }
        if in_open() {
            return Err(EDEADLK);
        }
        let inner = Inner::<T> {
            device: Opaque::uninit(),
            open: OpenFile::<T>::open,
            state: new_mutex!(State::New, "lkm_miscdevice")?,
            shared,
        };
        let inner = Source::new(inner, |inner| {
            // SAFETY: zeroes are a `miscdevice` without anything.
            let mut device: bindings::miscdevice = unsafe { core::mem::zeroed() };
            device.minor = bindings::MISC_DYNAMIC_MINOR as c_int;
            device.name = options.name.as_char_ptr();
            // C takes 0 for "not told"; with its type it is told.
            device.mode = bindings::S_IFCHR as u16 | (options.mode & 0o777);
            device.fops = &NEW_FILE.0;
            // SAFETY: nobody else has it yet.
            unsafe { inner.device.get().write(device) };
        })?;
        let mut state = inner.state.lock();
        if *state != State::New {
            // The module's unloading has come in between.
            return Err(ESHUTDOWN);
        }
        // SAFETY: initialised, and stays where it is until deregistered.
        to_result(unsafe { bindings::misc_register(inner.device.get()) })?;
        // INVARIANT: just registered.
        *state = State::Registered;
        drop(state);
        Ok(Self {
            inner: ManuallyDrop::new(inner),
        })
    }
}

impl<T: MiscDevice> Drop for MiscDeviceRegistration<T> {
    fn drop(&mut self) {
        // It stays on the list of sources, and `stop_all` waits for the open.
        if !in_open() {
            // SAFETY: `self` is never used again.
            unsafe { ManuallyDrop::drop(&mut self.inner) };
        }
    }
}

/// The thread that is in this module's [`MiscDevice::open`]. There is one at
/// most: C has a mutex around it.
static OPENER: AtomicPtr<bindings::task_struct> = AtomicPtr::new(null_mut());

/// Whether this thread is in `open`, and so has the mutex that registering and
/// deregistering take. It must not wait for that: a thread that is woken while
/// it waits for a mutex that it has is given it twice.
fn in_open() -> bool {
    // SAFETY: the task is compared, and not used. Only this thread writes its
    // own there, and takes it away again.
    unsafe { bindings::lkm_is_current(OPENER.load(Ordering::Relaxed)) }
}

// SAFETY: `misc_deregister` waits for an open that another thread runs, and none
// comes after it. It is not called by the thread that runs one: that drops no
// registration, and neither loads nor unloads the module. Open files do not use
// this: their module stays while they are open.
unsafe impl<T: MiscDevice> Quiesce for Inner<T> {
    fn quiesce(&self) {
        let mut state = self.state.lock();
        if *state == State::Registered {
            // SAFETY: it is registered, by the invariant.
            unsafe { bindings::misc_deregister(self.device.get()) };
        }
        *state = State::Gone;
    }
}

struct Fops(bindings::file_operations);

// SAFETY: nobody writes to it.
unsafe impl Sync for Fops {}

/// The operations of a file that is being opened, or is no longer open.
///
/// The owner is set, so that the module stays while a file is open. A constant
/// cannot name the owner, and a static cannot depend on a type. So for the time
/// in between a file has those of its type, which name no owner, and `release`
/// gives it these back. C looks for the owner twice: before `open`, to take a
/// reference to the module, and after `release`, to give it back.
static NEW_FILE: Fops = Fops(bindings::file_operations {
    owner: this_module_ptr!(),
    open: Some(open),
    ..NO_FOPS
});

const NO_FOPS: bindings::file_operations = {
    // SAFETY: all zeroes are a `file_operations` without any.
    unsafe { core::mem::transmute([0u8; core::mem::size_of::<bindings::file_operations>()]) }
};

/// # Safety
///
/// Called by C, as `file_operations` says, like all those below.
unsafe extern "C" fn open(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: always allowed.
    OPENER.store(unsafe { bindings::lkm_current() }, Ordering::Relaxed);
    // SAFETY: `misc_open` leaves the `miscdevice` here, which is the first
    // field of a `Header`, and holds the lock that deregistration takes, which
    // this thread does not do while it is the opener.
    let result = unsafe {
        let header = (*file).private_data.cast::<Header>();
        ((*header).open)(header, file)
    };
    OPENER.store(null_mut(), Ordering::Relaxed);
    result.map_or_else(|error| error.to_errno(), |()| 0)
}

/// What C calls for an open file, whose `private_data` is a `T`.
struct OpenFile<T>(PhantomData<T>);

impl<T: MiscDevice> OpenFile<T> {
    const FOPS: &'static bindings::file_operations = &bindings::file_operations {
        read: Some(Self::read),
        write: Some(Self::write),
        unlocked_ioctl: Some(Self::ioctl),
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl: Some(bindings::compat_ptr_ioctl),
        poll: Some(Self::poll),
        llseek: Some(bindings::no_seek_end_llseek),
        release: Some(Self::release),
        ..NO_FOPS
    };

    /// # Safety
    ///
    /// As for [`OpenFn`].
    unsafe fn open(header: *const Header, file: *mut bindings::file) -> Result {
        // SAFETY: the caller's promise; a registration waits for a running open,
        // or is leaked.
        let (inner, opened) = unsafe { (&*header.cast::<Inner<T>>(), File::from_ptr(file)) };
        // Memory first: nothing may fail once `T::open` has succeeded.
        let memory = Pinned::new_uninit()?;
        let device = memory.write(T::open(&inner.shared, opened)?);
        // SAFETY: the file is not open yet, so it is ours alone. With `FOPS` it
        // has a `T`, which `release` takes away.
        unsafe {
            if !T::SEEKABLE {
                bindings::stream_open((*file).f_inode, file);
            }
            (*file).private_data = device.into_raw().as_ptr().cast();
            (*file).f_op = Self::FOPS;
        }
        Ok(())
    }

    /// # Safety
    ///
    /// `file` has [`FOPS`](Self::FOPS), and is not released for `'a`.
    #[inline(always)]
    unsafe fn device<'a>(file: *mut bindings::file) -> (&'a T, &'a File) {
        // SAFETY: `open` has put a `T` there; the rest is the caller's promise.
        unsafe { (&*(*file).private_data.cast::<T>(), File::from_ptr(file)) }
    }

    unsafe extern "C" fn read(
        file: *mut bindings::file,
        buffer: *mut c_char,
        len: usize,
        offset: *mut bindings::loff_t,
    ) -> isize {
        if len == 0 {
            return 0;
        }
        // SAFETY: C gives an open file of this device, and its offset or null.
        let result = unsafe {
            let (device, file) = Self::device(file);
            let mut buffer = UserSlice::new(buffer as usize, len).writer();
            with_position(offset, |position| device.read(file, &mut buffer, position))
        };
        to_isize(result, len)
    }

    unsafe extern "C" fn write(
        file: *mut bindings::file,
        buffer: *const c_char,
        len: usize,
        offset: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: as in `read`.
        let result = unsafe {
            let (device, file) = Self::device(file);
            let mut buffer = UserSlice::new(buffer as usize, len).reader();
            with_position(offset, |position| device.write(file, &mut buffer, position))
        };
        to_isize(result, len)
    }

    unsafe extern "C" fn ioctl(file: *mut bindings::file, cmd: c_uint, arg: c_ulong) -> c_long {
        // SAFETY: C gives an open file of this device.
        let (device, file) = unsafe { Self::device(file) };
        let result = device.ioctl(file, cmd, arg as usize);
        result.unwrap_or_else(|error| error.to_errno() as isize) as c_long
    }

    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t {
        // SAFETY: C gives an open file of this device, and its table or null.
        // The `T`, and with it all that can be borrowed from it, lives until
        // `release`, which comes after every poller has let go of the file.
        unsafe {
            let (device, opened) = Self::device(file);
            device.poll(opened, &mut PollTable::new(file, table))
        }
    }

    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: C calls this once, after all else, and `open` has put a `T`
        // there. The module stays until this has returned, by `NEW_FILE`.
        unsafe {
            let device = NonNull::new_unchecked((*file).private_data.cast::<T>());
            (*file).f_op = &NEW_FILE.0;
            drop(Pinned::from_raw(device));
        }
        0
    }
}

/// Lends `f` the file position of a call; 0 if it is of a stream. It stays as it
/// was if `f` fails or makes it negative.
///
/// # Safety
///
/// `offset` is null or this call's own.
unsafe fn with_position(
    offset: *mut bindings::loff_t,
    f: impl FnOnce(&mut i64) -> Result<usize>,
) -> Result<usize> {
    // SAFETY: the caller's promise.
    let mut position = unsafe { offset.as_ref() }.map_or(0, |offset| *offset);
    let count = f(&mut position)?;
    // SAFETY: the caller's promise.
    if let (Some(offset), true) = (unsafe { offset.as_mut() }, position >= 0) {
        *offset = position;
    }
    Ok(count)
}

/// A count, of at most `len`, or an error, as C returns it.
#[inline]
fn to_isize(result: Result<usize>, len: usize) -> isize {
    match result {
        Ok(count) => count.min(len) as isize,
        // It would be taken for a promise to complete the call later.
        Err(EIOCBQUEUED) => EIO.to_errno() as isize,
        Err(error) => error.to_errno() as isize,
    }
}
