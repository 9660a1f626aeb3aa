//! What the kernel does, and the helpers in `lkm/helpers` with it.
//!
//! It keeps the pointers that it is given, writes to what they point to, and
//! calls back with them, as C does. Time goes on when a test says so.

#![allow(non_camel_case_types, non_upper_case_globals)]

use core::{
    cell::Cell,
    ffi::{c_char, c_int, c_uint, c_void},
    ptr::{addr_of, addr_of_mut, null_mut},
    sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering},
};
use std::{
    mem::take,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

pub const BINDINGS_KMALLOC_MAX_SIZE: u64 = 4 << 20;
pub const BINDINGS_HZ: u32 = 250;
pub const BINDINGS_WQ_UNBOUND: c_uint = 2;
pub const BINDINGS_WQ_CPU_INTENSIVE: c_uint = 32;

const NANOS_PER_JIFFY: u64 = 1_000_000_000 / BINDINGS_HZ as u64;

/// The most jiffies for which the timer wheel has room: `WHEEL_TIMEOUT_CUTOFF`.
pub const WHEEL: u64 = 63 << 24;

const CPUS: c_uint = 2;

type Function<T> = Option<unsafe extern "C" fn(*mut T)>;

struct Kernel {
    /// In nanoseconds.
    now: u64,
    armed: Vec<Armed>,
    /// The objects whose callbacks run now.
    running: Vec<*mut c_void>,
    sources: Vec<*mut lkm_source>,
    stopped: bool,
    queues: Vec<*mut workqueue_struct>,
    /// Sources that were left when a module went: they stay for ever.
    left: Vec<*mut lkm_source>,
    rcu: Vec<(*mut callback_head, Function<callback_head>)>,
    leaked: usize,
    /// Done before the next `timer_reduce`, as another CPU might.
    before_reduce: Option<Box<dyn FnOnce() + Send>>,
}

// SAFETY: as C does, it takes whatever pointer it is given to any thread.
unsafe impl Send for Kernel {}

/// What is to be called, and when.
struct Armed {
    object: *mut c_void,
    due: u64,
    call: unsafe fn(*mut c_void),
    atomic: bool,
}

static KERNEL: Mutex<Kernel> = Mutex::new(Kernel {
    now: 0,
    armed: Vec::new(),
    running: Vec::new(),
    sources: Vec::new(),
    stopped: false,
    queues: Vec::new(),
    left: Vec::new(),
    rcu: Vec::new(),
    leaked: 0,
    before_reduce: None,
});

/// Something is over, or time has gone on.
static CHANGED: Condvar = Condvar::new();

std::thread_local! {
    static ATOMIC: Cell<bool> = Cell::new(false);
    static CURRENT: Cell<*mut task_struct> = Cell::new(null_mut());
}

fn kernel() -> MutexGuard<'static, Kernel> {
    // A test that has failed is no matter of the others'.
    KERNEL.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait(kernel: MutexGuard<'static, Kernel>) -> MutexGuard<'static, Kernel> {
    CHANGED.wait(kernel).unwrap_or_else(PoisonError::into_inner)
}

// --- for the tests -----------------------------------------------------------

/// Loads a module whose init is `f`, and unloads it. One module at a time.
pub fn module(f: impl FnOnce()) {
    static TURN: Mutex<()> = Mutex::new(());

    let _turn = TURN.lock();
    {
        let mut kernel = kernel();
        kernel.stopped = false;
        kernel.leaked = 0;
        // Of one that has failed.
        kernel.armed.clear();
        kernel.before_reduce = None;
    }
    f();
    crate::source::stop_all();
    crate::source::report_leaked();
    let mut kernel = kernel();
    let armed = kernel.armed.len();
    let mut sources = take(&mut kernel.sources);
    kernel.left.append(&mut sources);
    assert_eq!(armed, 0, "armed after the module is gone");
}

/// How many sources there are.
pub fn sources() -> usize {
    kernel().sources.len()
}

/// How many handles were leaked, as one must not sleep.
pub fn leaked() -> usize {
    kernel().leaked
}

pub fn is_atomic() -> bool {
    ATOMIC.with(Cell::get)
}

/// Runs `f` where one must not sleep.
pub fn atomic<R>(f: impl FnOnce() -> R) -> R {
    let before = ATOMIC.with(|atomic| atomic.replace(true));
    let result = f();
    ATOMIC.with(|atomic| atomic.set(before));
    result
}

/// Calls all that is due now, and what comes of it.
pub fn run_due() {
    let mut kernel = kernel();
    loop {
        let now = kernel.now;
        let mut armed = kernel.armed.iter();
        // Nothing is called twice at a time.
        let next =
            armed.position(|armed| armed.due <= now && !kernel.running.contains(&armed.object));
        let next = match next {
            Some(next) => kernel.armed.remove(next),
            None => return,
        };
        kernel.running.push(next.object);
        drop(kernel);
        if next.atomic {
            atomic(|| unsafe { (next.call)(next.object) });
        } else {
            unsafe { (next.call)(next.object) };
        }
        kernel = self::kernel();
        kernel.running.retain(|object| *object != next.object);
        CHANGED.notify_all();
    }
}

/// Lets `jiffies` pass, and calls what is due, each at its time.
pub fn pass(jiffies: u64) {
    let end = kernel().now + jiffies * NANOS_PER_JIFFY;
    loop {
        run_due();
        let mut kernel = kernel();
        let dues = kernel.armed.iter().map(|armed| armed.due);
        let next = dues.filter(|due| *due > kernel.now).min();
        kernel.now = next.map_or(end, |due| due.min(end));
        let over = kernel.now == end;
        CHANGED.notify_all();
        drop(kernel);
        if over {
            return run_due();
        }
    }
}

/// Runs `f` while another CPU calls what is due, and time passes.
pub fn with_another_cpu<R>(f: impl FnOnce() -> R) -> R {
    /// Is done when it is dropped, in a test that fails, too.
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                pass(1);
                thread::yield_now();
            }
        });
        let _done = Done(&done);
        f()
    })
}

pub fn before_reduce(f: impl FnOnce() + Send + 'static) {
    kernel().before_reduce = Some(Box::new(f));
}

// --- what all that calls back has in common ------------------------------------

impl Kernel {
    fn is_armed(&self, object: *mut c_void) -> bool {
        self.armed.iter().any(|armed| armed.object == object)
    }

    /// Whether it was not armed.
    fn arm(&mut self, armed: Armed) -> bool {
        let before = self.armed.len();
        self.armed.retain(|other| other.object != armed.object);
        let newly = before == self.armed.len();
        self.armed.push(armed);
        newly
    }
}

/// Takes it back, and waits if it runs.
fn cancel(object: *mut c_void) {
    let mut kernel = kernel();
    loop {
        kernel.armed.retain(|armed| armed.object != object);
        if !kernel.running.contains(&object) {
            return;
        }
        kernel = wait(kernel);
    }
}

/// Waits until it has run.
fn flush(object: *mut c_void) {
    loop {
        let kernel = kernel();
        if kernel.running.contains(&object) {
            drop(wait(kernel));
        } else if kernel.is_armed(object) {
            drop(kernel);
            run_due();
        } else {
            return;
        }
    }
}

// --- lkm/helpers/source.c --------------------------------------------------------

pub struct lkm_source {
    quiesce: Function<c_void>,
    object: *mut c_void,
}

pub unsafe fn lkm_source_add(
    source: *mut lkm_source,
    quiesce: Function<c_void>,
    object: *mut c_void,
) -> bool {
    let mut kernel = kernel();
    unsafe { source.write(lkm_source { quiesce, object }) };
    if !kernel.stopped {
        kernel.sources.push(source);
    }
    !kernel.stopped
}

pub unsafe fn lkm_source_del(source: *mut lkm_source) -> bool {
    let mut kernel = kernel();
    if !kernel.stopped {
        kernel.sources.retain(|other| *other != source);
        // A list writes to those that leave it.
        unsafe { addr_of_mut!((*source).object).write(null_mut()) };
    }
    !kernel.stopped
}

pub unsafe fn lkm_sources_start() {
    kernel().stopped = false;
}

pub unsafe fn lkm_sources_stopped() -> bool {
    kernel().stopped
}

pub unsafe fn lkm_sources_stop() {
    kernel().stopped = true;
    for _ in 0..2 {
        // The list stands still.
        let sources = kernel().sources.clone();
        for source in sources {
            unsafe { (*source).quiesce.unwrap()((*source).object) };
        }
        rcu_barrier();
    }
}

pub unsafe fn lkm_leaked() {
    kernel().leaked += 1;
}

pub unsafe fn lkm_report_leaked() {}

// --- timer.h --------------------------------------------------------------------

pub struct timer_list {
    expires: u64,
    function: Function<timer_list>,
}

pub unsafe fn lkm_timer_setup(
    timer: *mut timer_list,
    function: Function<timer_list>,
    _name: *const c_char,
    _key: *mut lock_class_key,
) {
    let expires = 0;
    unsafe { timer.write(timer_list { expires, function }) };
}

pub unsafe fn lkm_jiffies() -> u64 {
    kernel().now / NANOS_PER_JIFFY
}

pub unsafe fn mod_timer(timer: *mut timer_list, expires: u64) -> c_int {
    let mut kernel = kernel();
    unsafe { enqueue(&mut kernel, timer, expires) }
}

pub unsafe fn timer_reduce(timer: *mut timer_list, expires: u64) -> c_int {
    let before = kernel().before_reduce.take();
    if let Some(before) = before {
        before();
    }
    let mut kernel = kernel();
    unsafe {
        if kernel.is_armed(timer.cast()) && (*timer).expires <= expires {
            return 1;
        }
        enqueue(&mut kernel, timer, expires)
    }
}

unsafe fn enqueue(kernel: &mut Kernel, timer: *mut timer_list, expires: u64) -> c_int {
    unsafe fn call(timer: *mut c_void) {
        let timer = timer.cast::<timer_list>();
        let function = {
            let _base = self::kernel();
            unsafe { (*timer).function }
        };
        unsafe { function.unwrap()(timer) };
    }

    unsafe { (*timer).expires = expires };
    let furthest = kernel.now / NANOS_PER_JIFFY + WHEEL;
    let newly = kernel.arm(Armed {
        object: timer.cast(),
        due: expires.min(furthest) * NANOS_PER_JIFFY,
        call,
        atomic: true,
    });
    c_int::from(!newly)
}

pub unsafe fn lkm_del_timer_sync(timer: *mut timer_list) {
    cancel(timer.cast());
}

// --- hrtimer.h ------------------------------------------------------------------

pub type hrtimer_restart = c_uint;
pub const hrtimer_restart_HRTIMER_NORESTART: hrtimer_restart = 0;
pub const CLOCK_MONOTONIC: c_uint = 1;
pub const hrtimer_mode_HRTIMER_MODE_ABS_HARD: c_uint = 8;
pub const hrtimer_mode_HRTIMER_MODE_REL_HARD: c_uint = 9;

pub struct timerqueue_node {
    pub expires: i64,
}

pub struct hrtimer {
    pub node: timerqueue_node,
    pub function: Option<unsafe extern "C" fn(*mut hrtimer) -> hrtimer_restart>,
}

pub unsafe fn hrtimer_init(timer: *mut hrtimer, _clock: c_int, _mode: c_uint) {
    let node = timerqueue_node { expires: 0 };
    let function = None;
    unsafe { timer.write(hrtimer { node, function }) };
}

pub unsafe fn hrtimer_start_range_ns(timer: *mut hrtimer, time: i64, _slack: u64, mode: c_uint) {
    unsafe fn call(timer: *mut c_void) {
        let timer = timer.cast::<hrtimer>();
        let function = {
            let _base = self::kernel();
            unsafe { (*timer).function }
        };
        let restart = unsafe { function.unwrap()(timer) };
        assert_eq!(restart, hrtimer_restart_HRTIMER_NORESTART);
    }

    let mut kernel = kernel();
    let due = match mode {
        hrtimer_mode_HRTIMER_MODE_REL_HARD => kernel.now + time as u64,
        _ => time as u64,
    };
    unsafe { (*timer).node.expires = due as i64 };
    kernel.arm(Armed {
        object: timer.cast(),
        due,
        call,
        atomic: true,
    });
}

pub unsafe fn hrtimer_cancel(timer: *mut hrtimer) -> c_int {
    cancel(timer.cast());
    0
}

pub unsafe fn ktime_get() -> i64 {
    kernel().now as i64
}

// --- interrupt.h ----------------------------------------------------------------

pub struct tasklet_struct {
    callback: Function<tasklet_struct>,
    scheduled: u32,
}

pub unsafe fn tasklet_setup(t: *mut tasklet_struct, callback: Function<tasklet_struct>) {
    let scheduled = 0;
    unsafe {
        t.write(tasklet_struct {
            callback,
            scheduled,
        })
    };
}

pub unsafe fn lkm_tasklet_schedule(t: *mut tasklet_struct) {
    unsafe fn call(t: *mut c_void) {
        let t = t.cast::<tasklet_struct>();
        unsafe { (*addr_of!((*t).callback)).unwrap()(t) };
    }

    let mut kernel = kernel();
    if !kernel.is_armed(t.cast()) {
        unsafe { (*t).scheduled += 1 };
        kernel.arm(Armed {
            object: t.cast(),
            due: 0,
            call,
            atomic: true,
        });
    }
}

pub unsafe fn tasklet_kill(t: *mut tasklet_struct) {
    flush(t.cast());
}

// --- workqueue.h ----------------------------------------------------------------

pub struct workqueue_struct {
    flags: c_uint,
}

pub struct work_struct {
    func: Function<work_struct>,
    queue: *mut workqueue_struct,
}

pub unsafe fn lkm_init_work(
    work: *mut work_struct,
    func: Function<work_struct>,
    _name: *const c_char,
    _key: *mut lock_class_key,
) {
    let queue = null_mut();
    unsafe { work.write(work_struct { func, queue }) };
}

pub unsafe fn lkm_alloc_workqueue(_name: *const c_char, flags: c_uint) -> *mut workqueue_struct {
    let queue = Box::into_raw(Box::new(workqueue_struct { flags }));
    kernel().queues.push(queue);
    queue
}

pub unsafe fn destroy_workqueue(wq: *mut workqueue_struct) {
    kernel().queues.retain(|queue| *queue != wq);
    assert_ne!(unsafe { Box::from_raw(wq) }.flags, 0);
}

pub unsafe fn lkm_queue_work(wq: *mut workqueue_struct, work: *mut work_struct) -> bool {
    unsafe fn call(work: *mut c_void) {
        let work = work.cast::<work_struct>();
        unsafe { (*addr_of!((*work).func)).unwrap()(work) };
    }

    let mut kernel = kernel();
    if kernel.is_armed(work.cast()) {
        return false;
    }
    unsafe { (*work).queue = wq };
    kernel.arm(Armed {
        object: work.cast(),
        due: 0,
        call,
        atomic: false,
    })
}

pub unsafe fn queue_work_on(
    _cpu: c_int,
    wq: *mut workqueue_struct,
    work: *mut work_struct,
) -> bool {
    unsafe { lkm_queue_work(wq, work) }
}

pub unsafe fn flush_work(work: *mut work_struct) -> bool {
    flush(work.cast());
    true
}

pub unsafe fn cancel_work_sync(work: *mut work_struct) -> bool {
    cancel(work.cast());
    true
}

pub unsafe fn lkm_cancel_work_sync(work: *mut work_struct) {
    cancel(work.cast());
}

// --- kthread.h ------------------------------------------------------------------

pub struct task_struct {
    run: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
    data: *mut c_void,
    thread: Mutex<Option<JoinHandle<()>>>,
    should_stop: AtomicBool,
    /// The thread's, and one of who made it.
    references: AtomicU32,
}

struct Pointer<T>(*mut T);

// SAFETY: as for `Kernel`.
unsafe impl<T> Send for Pointer<T> {}

impl<T> Pointer<T> {
    fn get(self) -> *mut T {
        self.0
    }
}

pub unsafe fn lkm_kthread_create(
    task: *mut *mut task_struct,
    run: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
    data: *mut c_void,
    _cpu: c_int,
    _name: *const c_char,
) -> c_int {
    let new = Box::new(task_struct {
        run,
        data,
        thread: Mutex::new(None),
        should_stop: AtomicBool::new(false),
        references: AtomicU32::new(2),
    });
    unsafe { *task = Box::into_raw(new) };
    0
}

pub unsafe fn wake_up_process(task: *mut task_struct) -> c_int {
    let pointer = Pointer(task);
    let thread = thread::spawn(move || unsafe {
        let task = pointer.get();
        CURRENT.with(|current| current.set(task));
        if !(*task).should_stop.load(Ordering::Relaxed) {
            (*task).run.unwrap()((*task).data);
        }
        lkm_put_task_struct(task);
    });
    unsafe { *(*task).thread.lock().unwrap() = Some(thread) };
    1
}

pub unsafe fn kthread_stop(task: *mut task_struct) -> c_int {
    let thread = unsafe {
        let _kernel = kernel();
        (*task).should_stop.store(true, Ordering::Relaxed);
        CHANGED.notify_all();
        (*task).thread.lock().unwrap().take()
    };
    thread.expect("stopped twice").join().unwrap();
    0
}

pub unsafe fn lkm_put_task_struct(task: *mut task_struct) {
    if unsafe { (*task).references.fetch_sub(1, Ordering::AcqRel) } == 1 {
        drop(unsafe { Box::from_raw(task) });
    }
}

pub unsafe fn kthread_should_stop() -> bool {
    unsafe {
        (*CURRENT.with(Cell::get))
            .should_stop
            .load(Ordering::Relaxed)
    }
}

pub unsafe fn lkm_kthread_sleep(ticks: u64) {
    let mut kernel = kernel();
    let end = kernel
        .now
        .saturating_add((ticks + 1).saturating_mul(NANOS_PER_JIFFY));
    while kernel.now < end && !unsafe { kthread_should_stop() } {
        kernel = wait(kernel);
    }
}

pub unsafe fn lkm_kthread_return_to(_cpu: c_uint) {}

pub unsafe fn lkm_is_current(task: *mut task_struct) -> bool {
    !task.is_null() && CURRENT.with(Cell::get) == task
}

// The holder of a lock is alive here for as long as its guard is.
pub unsafe fn lkm_get_current() {}

pub unsafe fn lkm_put_current() {}

// --- cpuhotplug.h, cpumask.h ------------------------------------------------------

pub struct hlist_node {
    pub name: *const c_char,
}

type CpuFunction = Option<unsafe extern "C" fn(c_uint, *mut hlist_node) -> c_int>;

static OFFLINE: Mutex<Vec<CpuFunction>> = Mutex::new(Vec::new());

pub unsafe fn lkm_cpuhp_setup(
    name: *const c_char,
    node: *mut hlist_node,
    online: CpuFunction,
    offline: CpuFunction,
) -> c_int {
    unsafe { node.write(hlist_node { name }) };
    for cpu in 0..CPUS {
        let error = unsafe { online.unwrap()(cpu, node) };
        if error < 0 {
            for cpu in 0..cpu {
                unsafe { offline.unwrap()(cpu, node) };
            }
            return error;
        }
    }
    let mut states = OFFLINE.lock().unwrap();
    states.push(offline);
    states.len() as c_int - 1
}

pub unsafe fn lkm_cpuhp_remove(state: c_int, node: *mut hlist_node) {
    let offline = OFFLINE.lock().unwrap()[state as usize].take();
    for cpu in 0..CPUS {
        unsafe { offline.expect("removed twice")(cpu, node) };
    }
    unsafe { (*node).name = core::ptr::null() };
}

pub unsafe fn lkm_nr_cpu_ids() -> c_uint {
    CPUS
}

pub unsafe fn lkm_cpu_possible(cpu: c_uint) -> bool {
    cpu < CPUS
}

pub unsafe fn lkm_cpu_online(cpu: c_uint) -> bool {
    cpu < CPUS
}

pub unsafe fn lkm_num_possible_cpus() -> c_uint {
    CPUS
}

pub unsafe fn lkm_num_online_cpus() -> c_uint {
    CPUS
}

pub unsafe extern "C" fn lkm_next_possible_cpu(from: c_uint) -> c_uint {
    from
}

pub unsafe extern "C" fn lkm_next_online_cpu(from: c_uint) -> c_uint {
    from
}

// --- mutex.h, refcount.h, rcupdate.h ------------------------------------------------

pub struct lock_class_key;

pub struct mutex(AtomicBool);

pub unsafe fn lkm_mutex_init(lock: *mut mutex, _name: *const c_char, _key: *mut lock_class_key) {
    unsafe { lock.write(mutex(AtomicBool::new(false))) };
}

pub unsafe fn lkm_mutex_lock(lock: *mut mutex) {
    while !unsafe { lkm_mutex_trylock(lock) } {
        thread::yield_now();
    }
}

pub unsafe fn lkm_mutex_trylock(lock: *mut mutex) -> bool {
    !unsafe { &(*lock).0 }.swap(true, Ordering::Acquire)
}

pub unsafe fn lkm_mutex_unlock(lock: *mut mutex) {
    unsafe { &(*lock).0 }.store(false, Ordering::Release);
}

pub unsafe fn lkm_mutex_is_locked(lock: *mut mutex) -> bool {
    unsafe { &(*lock).0 }.load(Ordering::Relaxed)
}

pub unsafe fn lkm_mutex_destroy(lock: *mut mutex) {
    assert!(!unsafe { lkm_mutex_is_locked(lock) });
}

pub type refcount_t = AtomicI32;

pub unsafe fn lkm_refcount_set(r: *mut refcount_t, n: c_int) {
    unsafe { r.write(AtomicI32::new(n)) };
}

pub unsafe fn lkm_refcount_read(r: *const refcount_t) -> c_uint {
    unsafe { &*r }.load(Ordering::Relaxed) as c_uint
}

pub unsafe fn lkm_refcount_inc(r: *mut refcount_t) {
    unsafe { &*r }.fetch_add(1, Ordering::Relaxed);
}

pub unsafe fn lkm_refcount_dec(r: *mut refcount_t) {
    unsafe { &*r }.fetch_sub(1, Ordering::Release);
}

pub unsafe fn lkm_refcount_dec_and_test(r: *mut refcount_t) -> bool {
    unsafe { &*r }.fetch_sub(1, Ordering::AcqRel) == 1
}

pub struct callback_head {
    next: *mut callback_head,
}

/// Readers are not waited for: the tests that have some join them.
pub unsafe fn lkm_rcu_read_lock() {}

pub unsafe fn lkm_rcu_read_unlock() {}

pub unsafe fn synchronize_rcu() {}

pub unsafe fn lkm_call_rcu(head: *mut callback_head, func: Function<callback_head>) {
    let mut kernel = kernel();
    let next = kernel.rcu.last().map_or(null_mut(), |(next, _)| *next);
    unsafe { head.write(callback_head { next }) };
    kernel.rcu.push((head, func));
}

/// Ends a grace period: calls back.
pub fn rcu_barrier() {
    let callbacks = take(&mut kernel().rcu);
    for (head, func) in callbacks {
        atomic(|| unsafe {
            assert_ne!((*head).next, head);
            func.unwrap()(head);
        });
    }
}
