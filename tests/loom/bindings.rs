//! What the kernel does, and the helpers in `lkm/helpers` with it.
//!
//! It can be told to do one thing wrong, for the tests to show that they see it.

use crate::heap;
use loom::{
    sync::atomic::{fence, AtomicBool, AtomicI32, AtomicUsize, Ordering},
    thread::{self, JoinHandle},
};
use std::{
    cell::{Cell, RefCell},
    mem::take,
    sync::Mutex,
};

pub const BINDINGS_KMALLOC_MAX_SIZE: u32 = 4 << 20;

/// What the kernel does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A grace period waits for nobody.
    EmptyGracePeriod,
    /// To put a reference is no release.
    RelaxedPut,
    /// To put the last one is no acquire.
    RelaxedLastPut,
}

thread_local! {
    // loom runs the threads of a model in turn, as coroutines of the one here.
    static FAULT: Cell<Option<Fault>> = Cell::new(None);
}

fn has(fault: Fault) -> bool {
    FAULT.with(Cell::get) == Some(fault)
}

/// Runs `f` in every order that there is. It is to join the threads that it starts.
pub fn model(f: impl Fn() + Sync + Send + 'static) {
    run(None, f);
}

/// The same on a kernel that has a fault.
pub fn model_with(fault: Fault, f: impl Fn() + Sync + Send + 'static) {
    run(Some(fault), f);
}

fn run(fault: Option<Fault>, f: impl Fn() + Sync + Send + 'static) {
    FAULT.with(|current| current.set(fault));
    heap::forget();
    loom::model(move || {
        // Here, for whichever thread is the first to use it would order them.
        let _ = &*RCU;
        f();
        rcu_barrier();
        heap::check();
    });
}

// --- refcount.h ----------------------------------------------------------------
//
// Documentation/core-api/refcount-vs-atomic.rst has the orders: to count up has
// none, to count down is a release, and an acquire, too, if that was the last.

#[allow(non_camel_case_types)]
pub type refcount_t = AtomicI32;

/// Whoever calls it has just made the count: loom wants it to be made, too.
pub unsafe fn lkm_refcount_set(r: *mut refcount_t, n: i32) {
    unsafe { r.write(AtomicI32::new(n)) };
}

pub unsafe fn lkm_refcount_read(r: *const refcount_t) -> u32 {
    unsafe { &*r }.load(Ordering::Relaxed) as u32
}

pub unsafe fn lkm_refcount_inc(r: *mut refcount_t) {
    let old = unsafe { &*r }.fetch_add(1, Ordering::Relaxed);
    warn_unless(old > 0, "addition on 0; use-after-free");
}

pub unsafe fn lkm_refcount_dec(r: *mut refcount_t) {
    let old = unsafe { &*r }.fetch_sub(1, Ordering::Release);
    warn_unless(old > 1, "decrement hit 0; leaking memory");
}

pub unsafe fn lkm_refcount_dec_and_test(r: *mut refcount_t) -> bool {
    let order = if has(Fault::RelaxedPut) {
        Ordering::Relaxed
    } else {
        Ordering::Release
    };
    let old = unsafe { &*r }.fetch_sub(1, order);
    warn_unless(old > 0, "underflow; use-after-free");
    if old == 1 && !has(Fault::RelaxedLastPut) {
        fence(Ordering::Acquire);
    }
    old == 1
}

/// Fails the test, unless this is what another failure has led to.
fn warn_unless(right: bool, what: &str) {
    assert!(right || std::thread::panicking(), "refcount_t: {what}");
}

// --- rcupdate.h ----------------------------------------------------------------
//
// As "Memory-Barrier Guarantees" in Documentation/RCU/Design/Requirements has it:
// a grace period waits for every reader that began before it did, and what these
// have done is then seen; readers that begin later see what was done before it.

#[allow(non_camel_case_types)]
pub struct callback_head;

struct Rcu {
    /// How many readers there ever were. It is always written to, for a load may miss a write.
    begun: AtomicUsize,
    /// Which of them have ended.
    ended: [AtomicBool; 8],
    /// The threads that call back. It is never held where loom may switch to another thread.
    callbacks: Mutex<Vec<JoinHandle<()>>>,
}

loom::lazy_static! {
    static ref RCU: Rcu = Rcu {
        begun: AtomicUsize::new(0),
        ended: [(); 8].map(|()| AtomicBool::new(false)),
        callbacks: Mutex::new(Vec::new()),
    };
}

loom::thread_local! {
    /// The readers that this thread is now.
    static READING: RefCell<Vec<usize>> = RefCell::new(Vec::new());
}

pub unsafe fn lkm_rcu_read_lock() {
    let reader = RCU.begun.fetch_add(1, Ordering::Acquire);
    READING.with(|reading| reading.borrow_mut().push(reader));
}

pub unsafe fn lkm_rcu_read_unlock() {
    let reader = READING.with(|reading| reading.borrow_mut().pop().unwrap());
    RCU.ended[reader].store(true, Ordering::Release);
}

pub fn is_rcu_reader() -> bool {
    READING.with(|reading| !reading.borrow().is_empty())
}

/// With the number of readers that it waits for.
struct GracePeriod(usize);

impl GracePeriod {
    fn begin() -> Self {
        Self(RCU.begun.fetch_add(0, Ordering::Release))
    }

    fn end(self) {
        if has(Fault::EmptyGracePeriod) {
            return;
        }
        for ended in &RCU.ended[..self.0] {
            while !ended.load(Ordering::Acquire) {
                thread::yield_now();
            }
        }
    }
}

pub unsafe fn synchronize_rcu() {
    GracePeriod::begin().end();
}

/// The grace period may begin at once; what calls back is a thread of its own.
pub unsafe fn lkm_call_rcu(
    head: *mut callback_head,
    func: Option<unsafe extern "C" fn(*mut callback_head)>,
) {
    let grace_period = GracePeriod::begin();
    let head = head as usize;
    let callback = thread::spawn(move || {
        grace_period.end();
        unsafe { func.unwrap()(head as *mut callback_head) };
    });
    RCU.callbacks.lock().unwrap().push(callback);
}

/// Waits for the callbacks, as whoever unloads a module does.
fn rcu_barrier() {
    let callbacks = take(&mut *RCU.callbacks.lock().unwrap());
    for callback in callbacks {
        callback.join().unwrap();
    }
}
