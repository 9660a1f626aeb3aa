// SPDX-License-Identifier: GPL-2.0

//! Module parameters: set at insmod, seen and perhaps set under /sys/module.
//!
//! C header: `include/linux/moduleparam.h`.
//!
//! | type | takes | `.value()` |
//! | --- | --- | --- |
//! | `bool` | `y`, `n`, `1`, `0`, `on`, `off`; no value means yes | `bool` |
//! | `u8`, `i16`, `u16`, `i32`, `u32`, `i64`, `u64` | a number (`0x…` and `0…` too), in `range` if one is given | itself |
//! | `octal` | permissions, as chmod(1) takes them: 0 to 777 in octal | `u16` |
//! | `str` | UTF-8 of at most 1,023 bytes; set at insmod only | `&'static str` |
//!
//! A bad value is `EINVAL`, and the parameter keeps the one that it had.
//! `.value()` may be called in any context. A parameter with a write bit in
//! its `permissions` may change between two calls.

use crate::{
    bindings,
    error::{code::EINVAL, to_result},
    str::CStr,
};
use core::{
    ffi::{c_char, c_int, c_uint, c_void},
    mem::MaybeUninit,
    ptr::addr_of_mut,
    sync::atomic::*,
};

/// How C reads and writes one type of number.
///
/// # Safety
///
/// `SET` and `GET` may be called with a parameter that has nothing but an `arg`,
/// which points to a `Self`.
#[doc(hidden)]
pub unsafe trait Number: Copy + PartialOrd + Sync + 'static {
    type Atomic: Sync;
    const ZERO: Self;
    const FLAGS: u32;
    const SET: unsafe extern "C" fn(*const c_char, *const bindings::kernel_param) -> c_int;
    const GET: unsafe extern "C" fn(*mut c_char, *const bindings::kernel_param) -> c_int;

    fn load(atomic: &Self::Atomic) -> Self;
    fn store(atomic: &Self::Atomic, value: Self);
}

/// A parameter that is a number or a bool.
#[doc(hidden)]
pub struct NumberParam<T: Number> {
    value: T::Atomic,
    min: T,
    max: T,
}

macro_rules! numbers {
    ($($type:ident $atomic:ident $set:ident $get:ident $name:literal $min:expr, $max:expr, $flags:expr;)*) => {
        $(
            // SAFETY: they are this type's.
            unsafe impl Number for $type {
                type Atomic = $atomic;
                const ZERO: Self = $min;
                const FLAGS: u32 = $flags;
                const SET: unsafe extern "C" fn(*const c_char, *const bindings::kernel_param) -> c_int =
                    bindings::$set;
                const GET: unsafe extern "C" fn(*mut c_char, *const bindings::kernel_param) -> c_int =
                    bindings::$get;

                #[inline]
                fn load(atomic: &$atomic) -> $type {
                    atomic.load(Ordering::Relaxed)
                }

                #[inline]
                fn store(atomic: &$atomic, value: $type) {
                    atomic.store(value, Ordering::Relaxed);
                }
            }

            #[allow(missing_docs)]
            impl NumberParam<$type> {
                pub const ALL: core::ops::RangeInclusive<$type> = $min..=$max;

                #[inline]
                pub const fn new(value: $type, min: $type, max: $type) -> Self {
                    assert!(min as u64 == value as u64 || min < value, "default below range");
                    assert!(max as u64 == value as u64 || value < max, "default above range");
                    Self { value: $atomic::new(value), min, max }
                }
            }
        )*

        /// The C name of a parameter's type, for modinfo.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! param_type {
            $(($type) => { $name };)*
            (octal) => { "octal" };
            (str) => { "charp" };
        }
    };
}

const NOARG: u32 = bindings::KERNEL_PARAM_OPS_FL_NOARG as u32;

numbers! {
    bool AtomicBool param_set_bool param_get_bool "bool" false, true, NOARG;
    u8 AtomicU8 param_set_byte param_get_byte "byte" u8::MIN, u8::MAX, 0;
    i16 AtomicI16 param_set_short param_get_short "short" i16::MIN, i16::MAX, 0;
    u16 AtomicU16 param_set_ushort param_get_ushort "ushort" u16::MIN, u16::MAX, 0;
    i32 AtomicI32 param_set_int param_get_int "int" i32::MIN, i32::MAX, 0;
    u32 AtomicU32 param_set_uint param_get_uint "uint" u32::MIN, u32::MAX, 0;
    i64 AtomicI64 param_set_long param_get_long "long" i64::MIN, i64::MAX, 0;
    u64 AtomicU64 param_set_ullong param_get_ullong "ullong" u64::MIN, u64::MAX, 0;
}

impl<T: Number> NumberParam<T> {
    /// The value as it is now; any context.
    #[inline]
    pub fn value(&self) -> T {
        T::load(&self.value)
    }

    /// # Safety
    ///
    /// `param` is a [`KernelParam`] whose `arg` is a `NumberParam<T>`; `text`
    /// is null or a C string.
    #[cold]
    unsafe extern "C" fn set(text: *const c_char, param: *const bindings::kernel_param) -> c_int {
        let mut value = T::ZERO;
        // SAFETY: `SET` writes a `T` to where `arg` points; `text` is as the caller
        // promises.
        let ret = unsafe { (T::SET)(text, with_arg(&mut value).as_ptr()) };
        // SAFETY: by this function's requirement; parameters are static.
        let this = unsafe { &*(*param).__bindgen_anon_1.arg.cast::<Self>() };
        if to_result(ret).is_err() || value < this.min || value > this.max {
            return EINVAL.to_errno();
        }
        T::store(&this.value, value);
        0
    }

    /// # Safety
    ///
    /// As for `set`; `buffer` is a page.
    #[cold]
    unsafe extern "C" fn get(buffer: *mut c_char, param: *const bindings::kernel_param) -> c_int {
        // SAFETY: by this function's requirement; `GET` reads a `T` from where
        // `arg` points and writes no more than a page.
        unsafe {
            let mut value = (*(*param).__bindgen_anon_1.arg.cast::<Self>()).value();
            (T::GET)(buffer, with_arg(&mut value).as_ptr())
        }
    }
}

/// What [`Number::SET`] and [`Number::GET`] ask for: an `arg`, and nothing else.
#[inline]
fn with_arg<T>(value: &mut T) -> MaybeUninit<bindings::kernel_param> {
    let mut param = MaybeUninit::<bindings::kernel_param>::uninit();
    // SAFETY: a place in what is not initialised is only written to.
    unsafe {
        let arg = addr_of_mut!((*param.as_mut_ptr()).__bindgen_anon_1.arg);
        arg.write(addr_of_mut!(*value).cast());
    }
    param
}

/// A parameter that is the permissions of a file.
///
/// C has no such type: its numbers are decimal unless they begin with 0, and
/// so `mode=600` would be 01130.
#[doc(hidden)]
pub struct OctalParam {
    value: AtomicU16,
}

impl OctalParam {
    /// `value` is at most `0o777`.
    #[inline]
    pub const fn new(value: u16) -> Self {
        assert!(value <= 0o777, "permissions are octal: 0o644");
        Self {
            value: AtomicU16::new(value),
        }
    }

    /// The value as it is now; any context.
    #[inline]
    pub fn value(&self) -> u16 {
        self.value.load(Ordering::Relaxed)
    }

    /// # Safety
    ///
    /// `param` is a [`KernelParam`] whose `arg` is an `OctalParam`; `text` is
    /// a C string.
    #[cold]
    #[inline]
    unsafe extern "C" fn set(text: *const c_char, param: *const bindings::kernel_param) -> c_int {
        let mut value = 0;
        // SAFETY: `text` is as the caller promises, and `value` can be written.
        let ret = unsafe { bindings::kstrtou16(text, 8, &mut value) };
        if to_result(ret).is_err() || value > 0o777 {
            return EINVAL.to_errno();
        }
        // SAFETY: by this function's requirement; parameters are static.
        let this = unsafe { &*(*param).__bindgen_anon_1.arg.cast::<Self>() };
        this.value.store(value, Ordering::Relaxed);
        0
    }

    /// # Safety
    ///
    /// As for `set`; `buffer` is a page.
    #[cold]
    #[inline]
    unsafe extern "C" fn get(buffer: *mut c_char, param: *const bindings::kernel_param) -> c_int {
        // SAFETY: by this function's requirement; what is written, of at most
        // 4 digits, fits into a page.
        unsafe {
            let this = &*(*param).__bindgen_anon_1.arg.cast::<Self>();
            let format = crate::c_str!("%#o\n").as_char_ptr();
            bindings::sysfs_emit(buffer, format, c_uint::from(this.value()))
        }
    }
}

/// One of C's functions for a `char *`; all by one symbol, as each costs the module
/// loader as much as a small module's init.
macro_rules! charp {
    ($function:ident) => {
        // `kernel/params.c` has all three.
        bindings::param_ops_charp.$function.unwrap_unchecked()
    };
}

/// A parameter that is a string.
///
/// # Invariants
///
/// `text` is a C string in UTF-8. It is replaced only while the module is
/// being loaded, before any of its code runs, and freed after all of it has.
#[doc(hidden)]
#[repr(transparent)]
pub struct StrParam {
    text: AtomicPtr<c_char>,
}

impl StrParam {
    /// `default` ends in its only NUL byte.
    #[inline]
    pub const fn new(default: &'static str) -> Self {
        let text = crate::str::literal(default).as_char_ptr();
        // INVARIANT: a `str` is UTF-8.
        Self {
            text: AtomicPtr::new(text as *mut c_char),
        }
    }

    /// The value; any context.
    #[inline]
    pub fn value(&self) -> &'static str {
        let text = self.text.load(Ordering::Relaxed);
        // SAFETY: by the invariant this is a C string, in UTF-8, that stays
        // as it is for as long as code of this module runs.
        unsafe { core::str::from_utf8_unchecked(bytes_of(text)) }
    }

    /// # Safety
    ///
    /// `param` is a [`KernelParam`] whose `arg` is a `StrParam`; `text` is a
    /// C string; no code of this module runs yet.
    #[cold]
    #[inline]
    unsafe extern "C" fn set(text: *const c_char, param: *const bindings::kernel_param) -> c_int {
        // SAFETY: `text` is a C string, by this function's requirement.
        let text_bytes = unsafe { bytes_of(text) };
        if text_bytes.len() > 1023 || core::str::from_utf8(text_bytes).is_err() {
            return EINVAL.to_errno();
        }
        // SAFETY: `arg` points to a `char *`, for `StrParam` is one.
        // INVARIANT: the bytes were checked above.
        unsafe { charp!(set)(text, param) }
    }

    /// # Safety
    ///
    /// As for `set`; `buffer` is a page.
    #[cold]
    unsafe extern "C" fn get(buffer: *mut c_char, param: *const bindings::kernel_param) -> c_int {
        // SAFETY: as in `set`.
        unsafe { charp!(get)(buffer, param) }
    }

    /// # Safety
    ///
    /// `arg` is a `StrParam`; no code of this module runs any more.
    #[cold]
    unsafe extern "C" fn free(arg: *mut c_void) {
        // SAFETY: as in `set`.
        unsafe { charp!(free)(arg) }
    }
}

/// The bytes of a C string before its NUL.
///
/// # Safety
///
/// `text` is a C string that stays as it is for `'a`.
unsafe fn bytes_of<'a>(text: *const c_char) -> &'a [u8] {
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(text.cast(), bindings::strlen(text) as usize) }
}

/// A place where a parameter's value is kept.
///
/// # Safety
///
/// The functions in `OPS` may be called with an `arg` that points to a `Self`.
#[doc(hidden)]
pub unsafe trait Storage: Sync + 'static {
    const OPS: &'static bindings::kernel_param_ops;
    const WRITABLE: bool;
}

// SAFETY: that is what `set` and `get` ask for.
unsafe impl<T: Number> Storage for NumberParam<T> {
    const OPS: &'static bindings::kernel_param_ops = &bindings::kernel_param_ops {
        flags: T::FLAGS,
        set: Some(Self::set),
        get: Some(Self::get),
        free: None,
    };
    const WRITABLE: bool = true;
}

// SAFETY: that is what `set` and `get` ask for.
unsafe impl Storage for OctalParam {
    const OPS: &'static bindings::kernel_param_ops = &bindings::kernel_param_ops {
        flags: 0,
        set: Some(Self::set),
        get: Some(Self::get),
        free: None,
    };
    const WRITABLE: bool = true;
}

// SAFETY: a `StrParam` is the `char *` that the functions of C ask for, and
// `set` asks for a `StrParam`.
unsafe impl Storage for StrParam {
    const OPS: &'static bindings::kernel_param_ops = &bindings::kernel_param_ops {
        flags: 0,
        set: Some(Self::set),
        get: Some(Self::get),
        free: Some(Self::free),
    };
    const WRITABLE: bool = false;
}

/// One entry of the section `__param`.
#[doc(hidden)]
#[repr(transparent)]
pub struct KernelParam(bindings::kernel_param);

// SAFETY: nothing writes to it, and its pointers are to statics.
unsafe impl Sync for KernelParam {}

impl KernelParam {
    /// Describes a parameter of `module` to the kernel.
    ///
    /// # Safety
    ///
    /// `module` is [`this_module_ptr!`](crate::this_module_ptr!).
    #[inline]
    pub const unsafe fn new<S: Storage>(
        module: *mut bindings::module,
        name: &'static CStr,
        storage: &'static S,
        permissions: u16,
    ) -> Self {
        // What VERIFY_OCTAL_PERMISSIONS asks of C.
        assert!(permissions <= 0o777, "permissions are octal: 0o644");
        assert!(permissions & 0o002 == 0, "not writable by everyone");
        assert!(
            (permissions >> 6) & 4 >= (permissions >> 3) & 4
                && (permissions >> 3) & 4 >= permissions & 4
                && (permissions >> 6) & 2 >= (permissions >> 3) & 2,
            "the owner may do what the group may, and the group what all may"
        );
        assert!(
            S::WRITABLE || permissions & 0o222 == 0,
            "a string cannot be set after insmod"
        );
        Self(bindings::kernel_param {
            name: name.as_char_ptr(),
            mod_: module,
            ops: S::OPS,
            perm: permissions,
            level: -1,
            flags: 0,
            __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 {
                arg: storage as *const S as *mut c_void,
            },
        })
    }
}

/// One parameter of a [`module!`](crate::module!).
#[doc(hidden)]
#[macro_export]
macro_rules! module_param {
    (
        $name:ident: str,
        default: $default:literal,
        permissions: $permissions:expr,
        description: $description:literal $(,)?
    ) => {
        #[doc = $description]
        #[allow(non_upper_case_globals)]
        pub(crate) static $name: $crate::moduleparam::StrParam =
            $crate::moduleparam::StrParam::new($crate::__core::concat!($default, "\0"));
        $crate::module_param!(@entry $name str $permissions, $description);
    };
    (
        $name:ident: octal,
        default: $default:expr,
        permissions: $permissions:expr,
        description: $description:literal $(,)?
    ) => {
        #[doc = $description]
        #[allow(non_upper_case_globals)]
        pub(crate) static $name: $crate::moduleparam::OctalParam =
            $crate::moduleparam::OctalParam::new($default);
        $crate::module_param!(@entry $name octal $permissions, $description);
    };
    (
        $name:ident: $type:ident,
        default: $default:expr,
        permissions: $permissions:expr,
        description: $description:literal $(,)?
    ) => {
        $crate::module_param!(
            $name: $type,
            default: $default,
            range: $crate::moduleparam::NumberParam::<$type>::ALL,
            permissions: $permissions,
            description: $description,
        );
    };
    (
        $name:ident: $type:ident,
        default: $default:expr,
        range: $range:expr,
        permissions: $permissions:expr,
        description: $description:literal $(,)?
    ) => {
        #[doc = $description]
        #[allow(non_upper_case_globals)]
        pub(crate) static $name: $crate::moduleparam::NumberParam<$type> = {
            const __RANGE: $crate::__core::ops::RangeInclusive<$type> = $range;
            $crate::moduleparam::NumberParam::<$type>::new(
                $default,
                *__RANGE.start(),
                *__RANGE.end(),
            )
        };
        $crate::module_param!(@entry $name $type $permissions, $description);
    };
    (@entry $name:ident $type:ident $permissions:expr, $description:literal) => {
        $crate::modinfo!("parm=", $crate::__core::stringify!($name), ":", $description);
        $crate::modinfo!("parmtype=", $crate::__core::stringify!($name), ":", $crate::param_type!($type));
        const _: () = {
            const __PERMISSIONS: $crate::__core::primitive::u16 = $permissions;
            #[link_section = "__param"]
            #[used]
            static __PARAM: $crate::moduleparam::KernelParam = {
                // Beside them is a static of any name.
                let __name = $crate::c_str!($crate::__core::stringify!($name));
                let __storage = &$name;
                let __module = $crate::this_module_ptr!();
                // SAFETY: this is the module.
                unsafe { $crate::moduleparam::KernelParam::new(__module, __name, __storage, __PERMISSIONS) }
            };
        };
    };
}
