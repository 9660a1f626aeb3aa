// SPDX-License-Identifier: GPL-2.0

//! Kernel errors.
//!
//! C headers: `include/uapi/asm-generic/errno-base.h`,
//! `include/uapi/asm-generic/errno.h` and `include/linux/errno.h`.

use crate::bindings;
use alloc::collections::TryReserveError;
use core::{
    ffi::c_int,
    fmt,
    num::{NonZeroI32, TryFromIntError},
    str::Utf8Error,
};

/// A kernel error: an errno that has a name.
///
/// It is none of 0, so a [`Result`] of nothing is as large as C's `int`.
///
/// # Invariants
///
/// The value is `-E` for one of the constants in [`code`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(NonZeroI32);

/// What a function of this crate returns when it can fail.
pub type Result<T = (), E = Error> = core::result::Result<T, E>;

const _: () = assert!(core::mem::size_of::<Result>() == core::mem::size_of::<c_int>());

macro_rules! errnos {
    ($($name:ident: $doc:literal,)*) => {
        /// The errors by their C names.
        pub mod code {
            $(
                #[doc = $doc]
                // INVARIANT: negative, and one of this module's constants.
                pub const $name: super::Error =
                    match super::NonZeroI32::new(-(crate::bindings::$name as i32)) {
                        Some(errno) => super::Error(errno),
                        None => panic!("an error of 0"),
                    };
            )*
        }

        impl Error {
            /// The C name, such as `"EINVAL"`.
            #[inline]
            pub fn name(self) -> &'static str {
                $(if self == code::$name {
                    return stringify!($name);
                })*
                "errno"
            }

            #[inline]
            const fn is_known(errno: c_int) -> bool {
                $(errno == -(bindings::$name as c_int))||*
            }
        }
    };
}

errnos! {
    EPERM: "Operation not permitted.",
    ENOENT: "No such file or directory.",
    ESRCH: "No such process.",
    EINTR: "Interrupted system call.",
    EIO: "I/O error.",
    ENXIO: "No such device or address.",
    E2BIG: "Argument list too long.",
    ENOEXEC: "Exec format error.",
    EBADF: "Bad file number.",
    ECHILD: "No child processes.",
    EAGAIN: "Try again.",
    ENOMEM: "Out of memory.",
    EACCES: "Permission denied.",
    EFAULT: "Bad address.",
    ENOTBLK: "Block device required.",
    EBUSY: "Device or resource busy.",
    EEXIST: "File exists.",
    EXDEV: "Cross-device link.",
    ENODEV: "No such device.",
    ENOTDIR: "Not a directory.",
    EISDIR: "Is a directory.",
    EINVAL: "Invalid argument.",
    ENFILE: "File table overflow.",
    EMFILE: "Too many open files.",
    ENOTTY: "Not a typewriter: the ioctl is not one of this file's.",
    ETXTBSY: "Text file busy.",
    EFBIG: "File too large.",
    ENOSPC: "No space left on device.",
    ESPIPE: "Illegal seek.",
    EROFS: "Read-only file system.",
    EMLINK: "Too many links.",
    EPIPE: "Broken pipe.",
    EDOM: "Math argument out of domain of func.",
    ERANGE: "Math result not representable.",
    EDEADLK: "Resource deadlock would occur.",
    ENAMETOOLONG: "File name too long.",
    ENOLCK: "No record locks available.",
    ENOSYS: "Invalid system call number.",
    ENOTEMPTY: "Directory not empty.",
    ELOOP: "Too many symbolic links encountered.",
    ENOMSG: "No message of desired type.",
    EIDRM: "Identifier removed.",
    ECHRNG: "Channel number out of range.",
    EL2NSYNC: "Level 2 not synchronized.",
    EL3HLT: "Level 3 halted.",
    EL3RST: "Level 3 reset.",
    ELNRNG: "Link number out of range.",
    EUNATCH: "Protocol driver not attached.",
    ENOCSI: "No CSI structure available.",
    EL2HLT: "Level 2 halted.",
    EBADE: "Invalid exchange.",
    EBADR: "Invalid request descriptor.",
    EXFULL: "Exchange full.",
    ENOANO: "No anode.",
    EBADRQC: "Invalid request code.",
    EBADSLT: "Invalid slot.",
    EBFONT: "Bad font file format.",
    ENOSTR: "Device not a stream.",
    ENODATA: "No data available.",
    ETIME: "Timer expired.",
    ENOSR: "Out of streams resources.",
    ENONET: "Machine is not on the network.",
    ENOPKG: "Package not installed.",
    EREMOTE: "Object is remote.",
    ENOLINK: "Link has been severed.",
    EADV: "Advertise error.",
    ESRMNT: "Srmount error.",
    ECOMM: "Communication error on send.",
    EPROTO: "Protocol error.",
    EMULTIHOP: "Multihop attempted.",
    EDOTDOT: "RFS specific error.",
    EBADMSG: "Not a data message.",
    EOVERFLOW: "Value too large for defined data type.",
    ENOTUNIQ: "Name not unique on network.",
    EBADFD: "File descriptor in bad state.",
    EREMCHG: "Remote address changed.",
    ELIBACC: "Can not access a needed shared library.",
    ELIBBAD: "Accessing a corrupted shared library.",
    ELIBSCN: ".lib section in a.out corrupted.",
    ELIBMAX: "Attempting to link in too many shared libraries.",
    ELIBEXEC: "Cannot exec a shared library directly.",
    EILSEQ: "Illegal byte sequence.",
    ERESTART: "Interrupted system call should be restarted.",
    ESTRPIPE: "Streams pipe error.",
    EUSERS: "Too many users.",
    ENOTSOCK: "Socket operation on non-socket.",
    EDESTADDRREQ: "Destination address required.",
    EMSGSIZE: "Message too long.",
    EPROTOTYPE: "Protocol wrong type for socket.",
    ENOPROTOOPT: "Protocol not available.",
    EPROTONOSUPPORT: "Protocol not supported.",
    ESOCKTNOSUPPORT: "Socket type not supported.",
    EOPNOTSUPP: "Operation not supported on transport endpoint.",
    EPFNOSUPPORT: "Protocol family not supported.",
    EAFNOSUPPORT: "Address family not supported by protocol.",
    EADDRINUSE: "Address already in use.",
    EADDRNOTAVAIL: "Cannot assign requested address.",
    ENETDOWN: "Network is down.",
    ENETUNREACH: "Network is unreachable.",
    ENETRESET: "Network dropped connection because of reset.",
    ECONNABORTED: "Software caused connection abort.",
    ECONNRESET: "Connection reset by peer.",
    ENOBUFS: "No buffer space available.",
    EISCONN: "Transport endpoint is already connected.",
    ENOTCONN: "Transport endpoint is not connected.",
    ESHUTDOWN: "Cannot send after transport endpoint shutdown.",
    ETOOMANYREFS: "Too many references: cannot splice.",
    ETIMEDOUT: "Connection timed out.",
    ECONNREFUSED: "Connection refused.",
    EHOSTDOWN: "Host is down.",
    EHOSTUNREACH: "No route to host.",
    EALREADY: "Operation already in progress.",
    EINPROGRESS: "Operation now in progress.",
    ESTALE: "Stale file handle.",
    EUCLEAN: "Structure needs cleaning.",
    ENOTNAM: "Not a XENIX named type file.",
    ENAVAIL: "No XENIX semaphores available.",
    EISNAM: "Is a named type file.",
    EREMOTEIO: "Remote I/O error.",
    EDQUOT: "Quota exceeded.",
    ENOMEDIUM: "No medium found.",
    EMEDIUMTYPE: "Wrong medium type.",
    ECANCELED: "Operation canceled.",
    ENOKEY: "Required key not available.",
    EKEYEXPIRED: "Key has expired.",
    EKEYREVOKED: "Key has been revoked.",
    EKEYREJECTED: "Key was rejected by service.",
    EOWNERDEAD: "Owner died.",
    ENOTRECOVERABLE: "State not recoverable.",
    ERFKILL: "Operation not possible due to RF-kill.",
    EHWPOISON: "Memory page has hardware error.",
    ERESTARTSYS: "Restart the system call, or return EINTR: a signal came.",
    ERESTARTNOINTR: "Restart the system call always.",
    ERESTARTNOHAND: "Restart if there is no handler.",
    ENOIOCTLCMD: "No ioctl command.",
    ERESTART_RESTARTBLOCK: "Restart by calling sys_restart_syscall.",
    EPROBE_DEFER: "Driver requests probe retry.",
    EOPENSTALE: "Open found a stale dentry.",
    ENOPARAM: "Parameter not supported.",
    EBADHANDLE: "Illegal NFS file handle.",
    ENOTSYNC: "Update synchronization mismatch.",
    EBADCOOKIE: "Cookie is stale.",
    ENOTSUPP: "Operation is not supported.",
    ETOOSMALL: "Buffer or request is too small.",
    ESERVERFAULT: "An untranslatable error occurred.",
    EBADTYPE: "Type not supported by server.",
    EJUKEBOX: "Request initiated, but will not complete before timeout.",
    EIOCBQUEUED: "Iocb queued, will get completion event.",
    ERECALLCONFLICT: "Conflict with recalled state.",
    ENOGRACE: "NFS file lock reclaim refused.",
}

impl Error {
    /// The error that a C function returned as `-E`.
    ///
    /// A number for which the kernel has no name becomes `EINVAL`.
    #[inline]
    pub const fn from_errno(errno: c_int) -> Error {
        if Self::is_known(errno) {
            if let Some(errno) = NonZeroI32::new(errno) {
                // INVARIANT: just checked.
                return Error(errno);
            }
        }
        code::EINVAL
    }

    /// The negative number that C calls this error.
    #[inline]
    pub const fn to_errno(self) -> c_int {
        self.0.get()
    }
}

impl fmt::Debug for Error {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `Ok` for 0 and above, otherwise the error: what C functions mean by `int`.
#[inline]
pub const fn to_result(ret: c_int) -> Result {
    if ret < 0 {
        Err(Error::from_errno(ret))
    } else {
        Ok(())
    }
}

impl From<kernel::error::Error> for Error {
    #[inline]
    fn from(error: kernel::error::Error) -> Error {
        Error::from_errno(error.to_errno())
    }
}

impl From<TryReserveError> for Error {
    #[inline]
    fn from(_: TryReserveError) -> Error {
        code::ENOMEM
    }
}

impl From<TryFromIntError> for Error {
    #[inline]
    fn from(_: TryFromIntError) -> Error {
        code::EINVAL
    }
}

impl From<Utf8Error> for Error {
    #[inline]
    fn from(_: Utf8Error) -> Error {
        code::EINVAL
    }
}
