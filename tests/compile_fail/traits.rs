// SPDX-License-Identifier: GPL-2.0

//! What goes to another thread, and what does not: this compiles as long as all of it is so. (The
//! files beside it show some of these misuses as somebody would write them.)

use core::cell::Cell;
use lkm::{
    cpuhp::HotplugCallback,
    hrtimer::HrTimerCallback,
    kthread::{Context, KThreadCallback},
    kvec::KVVec,
    miscdevice::MiscDevice,
    percpu::CpuGuard,
    prelude::*,
    sync::{
        rcu, Arc, ArcBorrow, Guard, Mutex, MutexBackend, ReadGuard, RwSemaphore, Semaphore,
        SemaphoreBackend, SpinLock, SpinLockBackend, SpinLockIrq, SpinLockIrqBackend, WriteGuard,
    },
    tasklet::TaskletCallback,
    timer::TimerCallback,
    uaccess::{UserSliceReader, UserSliceWriter},
    workqueue::WorkItem,
};

/// One thread's own.
type Own = *mut u8;
/// Others may see it, and it is one thread's all the same.
type Seen = Guard<'static, u8, MutexBackend>;

/// For another thread, and to be kept by it for as long as it likes.
fn may_be_given<T: Send + 'static>() {}
/// For several threads at a time, too.
fn may_be_shared<T: Send + Sync + 'static>() {}

/// Of its data, a callback's trait demands what the threads that call it need: safe code may leak
/// the handle, which then goes on.
pub fn callbacks<Timer, HrTimer, Tasklet, Work, Thread, Hotplug, Device, This>()
where
    Timer: TimerCallback,
    HrTimer: HrTimerCallback,
    Tasklet: TaskletCallback,
    Work: WorkItem,
    Thread: KThreadCallback,
    Hotplug: HotplugCallback,
    Device: MiscDevice,
    This: Module,
{
    may_be_given::<Timer>();
    may_be_given::<HrTimer>();
    may_be_given::<Tasklet>();
    may_be_given::<Work>();
    may_be_given::<Thread>();
    may_be_shared::<Hotplug>();
    may_be_shared::<Device>();
    may_be_shared::<Device::Shared>();
    may_be_shared::<This>();
}

/// Of a type that has the trait, two implementations could be meant, which is an error.
macro_rules! is_not {
    ($bound:ident: $($kind:ty),* $(,)?) => {{
        trait NotIf<Which> {
            fn is_not() {}
        }
        impl<T: ?Sized> NotIf<()> for T {}
        struct ItIs;
        impl<T: ?Sized + $bound> NotIf<ItIs> for T {}
        $(<$kind as NotIf<_>>::is_not();)*
    }};
}

/// Of types whose own bounds do not say it already.
pub fn others() {
    // Whoever took a lock releases it.
    is_not!(
        Send: Guard<'static, u8, MutexBackend>,
        Guard<'static, u8, SemaphoreBackend>,
        Guard<'static, u8, SpinLockBackend>,
        Guard<'static, u8, SpinLockIrqBackend>,
        ReadGuard<'static, u8>,
        WriteGuard<'static, u8>,
        rcu::Guard,
        CpuGuard,
    );
    // What several threads see through a guard, or a thread of itself.
    is_not!(
        Sync: Guard<'static, Cell<u8>, MutexBackend>,
        ReadGuard<'static, Cell<u8>>,
        WriteGuard<'static, Cell<u8>>,
        Context,
    );
    // A lock has its data used by one thread at a time, but by another each time; one for readers
    // has it used by several.
    is_not!(
        Sync: Mutex<Own>,
        Semaphore<Own>,
        SpinLock<Own>,
        SpinLockIrq<Own>
    );
    is_not!(Sync: RwSemaphore<Seen>, RwSemaphore<Cell<u8>>);
    is_not!(Send: Mutex<Own>, RwSemaphore<Own>);
    // Whoever drops the last reference may be anybody.
    is_not!(Send: Arc<Cell<u8>>, ArcBorrow<'static, Cell<u8>>);
    is_not!(Send: Arc<Seen>, ArcBorrow<'static, Seen>);
    is_not!(Sync: Arc<Cell<u8>>, ArcBorrow<'static, Cell<u8>>);
    is_not!(Sync: Arc<Seen>, ArcBorrow<'static, Seen>);
    is_not!(Send: KVVec<Own>);
    // Only the thread that made a call has the memory that the call is about.
    is_not!(Send: UserSliceReader<'static>, UserSliceWriter<'static>);
    is_not!(Sync: UserSliceReader<'static>, UserSliceWriter<'static>);
    is_not!(Sync: KVVec<Cell<u8>>);
}
