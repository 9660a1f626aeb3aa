//! `lkm::sync`, with loom's mutex in the place of the kernel's.

#[path = "../../lkm/sync/arc.rs"]
mod arc;
#[path = "../../lkm/sync/rcu.rs"]
pub mod rcu;
#[allow(dead_code)] // As `Arc` uses it.
#[path = "../../lkm/sync/refcount.rs"]
mod refcount;

use crate::{error::Result, str::CStr};
use core::marker::PhantomData;

pub use arc::{Arc, ArcBorrow};
pub use refcount::Refcount;

pub struct LockClassKey;

pub struct MutexBackend;

pub struct Mutex<T>(loom::sync::Mutex<T>);

pub struct Guard<'a, T, B> {
    _guard: loom::sync::MutexGuard<'a, T>,
    _backend: PhantomData<B>,
}

impl<T> Mutex<T> {
    pub fn new(data: T, _name: &'static CStr, _key: &'static LockClassKey) -> Result<Self> {
        Ok(Self(loom::sync::Mutex::new(data)))
    }

    pub fn lock(&self) -> Guard<'_, T, MutexBackend> {
        Guard {
            _guard: self.0.lock().unwrap(),
            _backend: PhantomData,
        }
    }
}
