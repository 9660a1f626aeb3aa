// SPDX-License-Identifier: GPL-2.0

//! Misc devices: a node under /dev, and what its open files do.
//!
//! C headers: `include/linux/miscdevice.h` and `include/linux/fs.h`.

use crate::{
    bindings,
    error::{
        code::{EDEADLK, EINVAL, EIO, EIOCBQUEUED, ENOTTY},
        to_result, Result,
    },
    fs::{File, PollMask, PollTable},
    source::{Source, Startable, Stop},
    str::CStr,
    this_module_ptr,
    types::Pinned,
    uaccess::{UserSliceReader, UserSliceWriter, IN_ITER},
    with_lock_class,
};
use core::{
    ffi::{c_char, c_int, c_long, c_uint, c_ulong},
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::{addr_of_mut, null_mut, NonNull},
    sync::atomic::{AtomicPtr, Ordering},
};

/// One open file of a device; dropped when its last descriptor is closed.
///
/// Its functions are called in process context and may sleep. Several threads
/// may use one open file at a time, so they take `&self`. While a file is
/// open the module cannot be unloaded.
pub trait MiscDevice: Sized + Send + Sync + 'static {
    /// What the registration holds for all openers.
    type Shared: Send + Sync + 'static;

    /// Whether open files have a position, for lseek(2), pread(2), pwrite(2).
    /// If not, those are `ESPIPE`, and `position` is 0. There is no `SEEK_END`.
    const SEEKABLE: bool = false;

    /// What can be done with an open file.
    const FILE_OPERATIONS: FileOperations<Self>;

    /// open(2). Other misc devices cannot be opened until it returns, nor be
    /// registered or dropped. Here that is `EDEADLK`, and a registration that is
    /// dropped is leaked: its node stays until the module is unloaded. To wait
    /// for another thread that does so deadlocks.
    fn open(shared: &Self::Shared, file: &File) -> Result<Self>;
}

/// See [`FileOperations::read`]; the last argument is the position.
pub type ReadFn<T> = fn(&T, &File, &mut UserSliceWriter<'_>, &mut i64) -> Result<usize>;
/// See [`FileOperations::write`]; the last argument is the position.
pub type WriteFn<T> = fn(&T, &File, &mut UserSliceReader<'_>, &mut i64) -> Result<usize>;
/// See [`FileOperations::ioctl`].
pub type IoctlFn<T> = fn(&T, &File, u32, usize) -> Result<isize>;
/// See [`FileOperations::poll`].
pub type PollFn<T> = for<'file> fn(&'file T, &File, &mut PollTable<'file>) -> PollMask;

/// What an open file can do, as in C's `file_operations`: a function for each
/// operation that it has, and `None` for those that it does not.
///
/// ```ignore
/// const FILE_OPERATIONS: FileOperations<Self> = FileOperations {
///     read: Some(Self::read),
///     ioctl: Some(Self::ioctl),
///     ..FileOperations::NONE
/// };
/// ```
///
/// A function of the device's that is not named is never used, and rustc says so.
pub struct FileOperations<T> {
    /// read(2) of at least one byte: how many were written to the buffer, which
    /// may be fewer than there is room for, and never more; 0 means the end,
    /// for which `cat` waits. The file's position becomes what the last argument
    /// is made, unless this fails; two reads at a time may have begun at the same
    /// one.
    ///
    /// readv(2) is one call, as are splice(2), of 64 KiB at most, and what AIO or
    /// io_uring asks for. Without it all of them are `EINVAL`.
    pub read: Option<ReadFn<T>>,

    /// write(2): how many bytes were taken from the buffer, which may be empty.
    ///
    /// writev(2) is one call, as is splice(2) of what the pipe has. Without it all
    /// of them are `EINVAL`. (copy_file_range(2) is for regular files alone.)
    pub write: Option<WriteFn<T>>,

    /// ioctl(2), with its command and its third argument. Those for which the
    /// device has no meaning are `ENOTTY`, as all are without this. (To userland
    /// a negative `Ok` is an error, too.)
    pub ioctl: Option<IoctlFn<T>>,

    /// poll(2): what is ready now, after the wait queues that will be woken
    /// when that changes were registered. Without it poll(2) and select(2) find
    /// all ready, and epoll(7) refuses the file with `EPERM`.
    pub poll: Option<PollFn<T>>,
}

impl<T> FileOperations<T> {
    /// None at all.
    pub const NONE: Self = Self {
        read: None,
        write: None,
        ioctl: None,
        poll: None,
    };
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
    inner: ManuallyDrop<Inner<T>>,
}

// SAFETY: openers share `Shared`, which is `Send` and `Sync`; the rest is C's,
// which has a lock for it.
unsafe impl<T: MiscDevice> Send for MiscDeviceRegistration<T> {}
// SAFETY: as above.
unsafe impl<T: MiscDevice> Sync for MiscDeviceRegistration<T> {}

type Inner<T> = Source<Startable<Device>, <T as MiscDevice>::Shared>;

#[repr(C)]
struct Device {
    device: bindings::miscdevice,
    open: OpenFn,
}

/// # Safety
///
/// The device is the object of an `Inner<T>`, whose open(2) is running, of the file.
type OpenFn = unsafe fn(*mut Device, *mut bindings::file) -> Result;

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
    #[cold]
    pub fn register(options: MiscDeviceOptions, shared: T::Shared) -> Result<Self> {
        if !(1..=NAME_MAX).contains(&options.name.as_bytes().len()) {
            return Err(EINVAL);
        }
        if in_open() {
            return Err(EDEADLK);
        }
        // SAFETY: zeroes are a `miscdevice` without anything.
        let mut device: bindings::miscdevice = unsafe { core::mem::zeroed() };
        device.minor = bindings::MISC_DYNAMIC_MINOR as c_int;
        device.name = options.name.as_char_ptr();
        // C takes 0 for "not told"; with its type it is told.
        device.mode = bindings::S_IFCHR as u16 | (options.mode & 0o777);
        device.fops = &NEW_FILE.0;
        let device = Device {
            device,
            open: OpenFile::<T>::open,
        };
        let inner: Inner<T> =
            with_lock_class!(Source::new_startable, (device, shared), "lkm_miscdevice")?;
        inner.start(|device| {
            // SAFETY: initialised, and stays where it is until deregistered.
            to_result(unsafe { bindings::misc_register(device.cast()) })
        })?;
        Ok(Self {
            inner: ManuallyDrop::new(inner),
        })
    }
}

impl<T: MiscDevice> Drop for MiscDeviceRegistration<T> {
    #[cold]
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
unsafe impl Stop for Device {
    unsafe fn stop(this: *mut Self) {
        // SAFETY: it is registered, and is the first field.
        unsafe { bindings::misc_deregister(this.cast()) };
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
    // field of a `Device`, and holds the lock that deregistration takes, which
    // this thread does not do while it is the opener.
    let result = unsafe {
        let device = (*file).private_data.cast::<Device>();
        ((*device).open)(device, file)
    };
    OPENER.store(null_mut(), Ordering::Relaxed);
    result.map_or_else(|error| error.to_errno(), |()| 0)
}

/// What C calls for an open file, whose `private_data` is a `T`.
struct OpenFile<T>(PhantomData<T>);

impl<T: MiscDevice> OpenFile<T> {
    // By themselves, they are called as functions, and not out of a table.
    const READ: Option<ReadFn<T>> = T::FILE_OPERATIONS.read;
    const WRITE: Option<WriteFn<T>> = T::FILE_OPERATIONS.write;
    const IOCTL: Option<IoctlFn<T>> = T::FILE_OPERATIONS.ioctl;
    const POLL: Option<PollFn<T>> = T::FILE_OPERATIONS.poll;

    /// A file is asked for `read` by read(2), where it costs least, and for
    /// `read_iter` by all others; so for writes.
    const FOPS: &'static bindings::file_operations = &{
        let mut fops = bindings::file_operations {
            llseek: Some(bindings::no_seek_end_llseek),
            release: Some(Self::release),
            ..NO_FOPS
        };
        if Self::READ.is_some() {
            fops.read = Some(Self::read);
            fops.read_iter = Some(Self::read_iter);
            fops.splice_read = Some(bindings::lkm_splice_read);
        }
        if Self::WRITE.is_some() {
            fops.write = Some(Self::write);
            fops.write_iter = Some(Self::write_iter);
            fops.splice_write = Some(bindings::iter_file_splice_write);
        }
        if Self::IOCTL.is_some() {
            fops.unlocked_ioctl = Some(Self::ioctl);
            #[cfg(CONFIG_COMPAT)]
            {
                fops.compat_ioctl = Some(bindings::compat_ptr_ioctl);
            }
        }
        if Self::POLL.is_some() {
            fops.poll = Some(Self::poll);
        }
        fops
    };

    /// # Safety
    ///
    /// As for [`OpenFn`].
    unsafe fn open(device: *mut Device, file: *mut bindings::file) -> Result {
        // SAFETY: the caller's promise; a registration waits for a running open,
        // or is leaked.
        let (shared, opened) = unsafe {
            let shared = Inner::<T>::value_of(device.cast());
            (shared, File::from_ptr(file))
        };
        // Memory first: nothing may fail once `T::open` has succeeded.
        let memory = Pinned::new_uninit()?;
        let device = memory.write(T::open(shared, opened)?);
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

    /// Lends `f` the file position of a call. It stays as it was if `f` fails or
    /// makes it negative. A stream has none: C has null, or, as for AIO, what
    /// nobody looks at.
    ///
    /// # Safety
    ///
    /// `offset` is the call's own, and may be null if the file is a stream.
    #[inline(always)]
    unsafe fn with_position(
        offset: *mut bindings::loff_t,
        f: impl FnOnce(&mut i64) -> Result<usize>,
    ) -> Result<usize> {
        if !T::SEEKABLE {
            return f(&mut 0);
        }
        // SAFETY: the caller's promise.
        let offset = unsafe { &mut *offset };
        let before = *offset;
        let mut position = before;
        let count = f(&mut position)?;
        // What does not move it costs nothing: the compiler sees that.
        if position != before && position >= 0 {
            *offset = position;
        }
        Ok(count)
    }

    /// # Safety
    ///
    /// `file` has [`FOPS`](Self::FOPS), and is not released for `'a`.
    #[inline(always)]
    unsafe fn device<'a>(file: *mut bindings::file) -> (&'a T, &'a File) {
        // SAFETY: `open` has put a `T` there; the rest is the caller's promise.
        unsafe { (&*(*file).private_data.cast::<T>(), File::from_ptr(file)) }
    }

    /// `buffer` is userland's, or, if `len` has the mark [`IN_ITER`], an `iov_iter`:
    /// one function for both, so that the device's own is inlined.
    #[inline(never)]
    unsafe extern "C" fn read(
        file: *mut bindings::file,
        buffer: *mut c_char,
        len: usize,
        offset: *mut bindings::loff_t,
    ) -> isize {
        if len == 0 {
            return 0;
        }
        // SAFETY: C gives an open file of this device, and its offset, or null if
        // that is a stream, as `open` has made it unless it is seekable; and
        // `read_iter` an `iov_iter` of so many bytes, which is that call's, and which
        // the writer cannot outlive.
        let result = unsafe {
            let mut buffer = UserSliceWriter::of_call(buffer.cast(), len);
            let (device, file) = Self::device(file);
            Self::with_position(offset, |position| match Self::READ {
                Some(read) => read(device, file, &mut buffer, position),
                None => Err(EINVAL),
            })
        };
        to_isize(result, len & !IN_ITER)
    }

    unsafe extern "C" fn read_iter(
        iocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: C gives a call of an open file of this device, and what it is to
        // be read to, which is this call's until it returns.
        unsafe {
            let len = (*iter).count;
            if len == 0 {
                return 0;
            }
            let (file, offset) = ((*iocb).ki_filp, addr_of_mut!((*iocb).ki_pos));
            let count = Self::read(file, iter.cast(), len | IN_ITER, offset);
            // There may be pages of the kernel's, of which userland must not be
            // shown more than the device has written.
            count.min(len.saturating_sub((*iter).count) as isize)
        }
    }

    /// As [`read`](Self::read).
    #[inline(never)]
    unsafe extern "C" fn write(
        file: *mut bindings::file,
        buffer: *const c_char,
        len: usize,
        offset: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: as in `read`.
        let result = unsafe {
            let mut buffer = UserSliceReader::of_call(buffer as *mut _, len);
            let (device, file) = Self::device(file);
            Self::with_position(offset, |position| match Self::WRITE {
                Some(write) => write(device, file, &mut buffer, position),
                None => Err(EINVAL),
            })
        };
        to_isize(result, len & !IN_ITER)
    }

    unsafe extern "C" fn write_iter(
        iocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: as in `read_iter`.
        unsafe {
            let (file, offset) = ((*iocb).ki_filp, addr_of_mut!((*iocb).ki_pos));
            Self::write(file, iter.cast(), (*iter).count | IN_ITER, offset)
        }
    }

    unsafe extern "C" fn ioctl(file: *mut bindings::file, cmd: c_uint, arg: c_ulong) -> c_long {
        // SAFETY: C gives an open file of this device.
        let (device, file) = unsafe { Self::device(file) };
        let result = match Self::IOCTL {
            Some(ioctl) => ioctl(device, file, cmd, arg as usize),
            None => Err(ENOTTY),
        };
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
            let mut table = PollTable::new(file, table);
            match Self::POLL {
                Some(poll) => poll(device, opened, &mut table),
                None => 0,
            }
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
