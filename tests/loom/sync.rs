//! `lkm::sync`, with loom's mutex in the place of the kernel's.

#[path = "../../lkm/sync/arc.rs"]
mod arc;
#[path = "../../lkm/sync/rcu.rs"]
pub mod rcu;
#[allow(dead_code)] // As `Arc` uses it.
#[path = "../../lkm/sync/refcount.rs"]
mod refcount;

use crate::{error::Result, str::CStr};
pub use arc::{Arc, ArcBorrow};
pub use refcount::Refcount;

pub struct LockClassKey;

pub struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub fn new(data: T, _name: &'static CStr, _key: &'static LockClassKey) -> Result<Self> {
        Ok(Self(loom::sync::Mutex::new(data)))
    }

    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.lock().unwrap())
    }
}
