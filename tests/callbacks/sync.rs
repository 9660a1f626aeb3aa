//! What is used of `lkm::sync`.

#[allow(dead_code)]
#[path = "../../lkm/sync/arc.rs"]
mod arc;
#[allow(dead_code)]
#[path = "../../lkm/sync/lock.rs"]
mod lock;
#[allow(dead_code)]
#[path = "../../lkm/sync/mutex.rs"]
mod mutex;
#[allow(dead_code)]
#[path = "../../lkm/sync/rcu.rs"]
pub mod rcu;
#[allow(dead_code)]
#[path = "../../lkm/sync/refcount.rs"]
mod refcount;

pub use arc::Arc;
pub use lock::{Backend, Guard, LockClassKey};
pub use mutex::{Mutex, MutexBackend};
pub use refcount::Refcount;
