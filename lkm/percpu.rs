// SPDX-License-Identifier: GPL-2.0

//! Memory that each CPU has for itself.
//!
//! C headers: `include/linux/percpu.h` and `include/linux/percpu-defs.h`.
//!
//! Each CPU writes to memory of its own, so none waits for another's cache
//! line; whoever wants the whole adds up what all of them have. A CPU that
//! goes offline leaves its memory as it was.

use crate::{
    bindings,
    cpumask::{nr_cpu_ids, possible_cpus, Cpu},
    error::{code::ENOMEM, Result},
    irq::may_sleep,
};
use core::{
    marker::PhantomData,
    mem::{align_of, size_of},
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

/// The proof that this thread stays on its CPU, for as long as it has this and
/// does not sleep. See [`with_preempt_disabled`].
pub struct CpuGuard {
    cpu: Cpu,
    // Preemption is this thread's.
    _not_send: PhantomData<*mut ()>,
}

impl CpuGuard {
    /// The CPU that runs this.
    #[inline]
    pub fn cpu(&self) -> Cpu {
        self.cpu
    }
}

/// Runs `f` on the CPU that runs this, with preemption off (`get_cpu`); any
/// context. What would sleep is refused to it.
///
/// The guard is lent, as it must not be leaked: the kernel has room to count
/// 255 of them, and from then on takes a thread for an interrupt.
#[inline]
pub fn with_preempt_disabled<R>(f: impl FnOnce(&CpuGuard) -> R) -> R {
    // SAFETY: always allowed, and what runs code is a possible CPU.
    let cpu = unsafe { Cpu::from_number_unchecked(bindings::lkm_get_cpu()) };
    let result = f(&CpuGuard {
        cpu,
        _not_send: PhantomData,
    });
    // SAFETY: switched off above, on this thread.
    unsafe { bindings::lkm_put_cpu() };
    result
}

/// A `T` for each CPU that is possible, online or not.
///
/// Others may look at a CPU's `T`, as an interrupt may that comes between: so
/// it is shared, and to change it takes an atomic or a lock. For a number see
/// [`Counter`].
///
/// Dropping it drops them all; any context, unless dropping a `T` may sleep.
///
/// # Invariants
///
/// `ptr` is what `__alloc_percpu` gave for a `T`: not an address, but what
/// `per_cpu_ptr` makes the address of a CPU's copy of. The copies of possible
/// CPUs whose number is below `filled` hold a `T`; outside of `new` these are
/// all.
pub struct PerCpu<T: Send + Sync> {
    ptr: NonNull<T>,
    filled: u32,
    _owns: PhantomData<T>,
}

// SAFETY: it owns its `T`s, which may be sent to where they are dropped, and
// gives out `&T` to any thread.
unsafe impl<T: Send + Sync> Send for PerCpu<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for PerCpu<T> {}

impl<T: Send + Sync> PerCpu<T> {
    /// Fills it with what `init` makes for each CPU, in the order of their
    /// numbers. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, always so where one must not sleep, and for a `T` of more than
    /// 32 KiB or one that is aligned to more than a page; what `init` fails
    /// with.
    #[cold]
    pub fn new(mut init: impl FnMut(Cpu) -> Result<T>) -> Result<Self> {
        if !may_sleep()
            || size_of::<T>() > bindings::BINDINGS_PCPU_MIN_UNIT_SIZE as usize
            || align_of::<T>() > bindings::BINDINGS_PAGE_SIZE as usize
        {
            return Err(ENOMEM);
        }
        // SAFETY: a size that is not 0 and an alignment that C takes.
        let ptr = unsafe { bindings::__alloc_percpu(size_of::<T>().max(1), align_of::<T>()) };
        // INVARIANT: just allocated, and nothing is filled. If `init` fails,
        // dropping this drops what is filled by then.
        let mut this = Self {
            ptr: NonNull::new(ptr.cast::<T>()).ok_or(ENOMEM)?,
            filled: 0,
            _owns: PhantomData,
        };
        for cpu in possible_cpus() {
            let value = init(cpu)?;
            // SAFETY: this CPU's copy is allocated, and nobody else has it.
            unsafe { this.ptr_of(cpu).write(value) };
            // INVARIANT: just written, after those of lower numbers.
            this.filled = cpu.number().wrapping_add(1);
        }
        this.filled = nr_cpu_ids();
        Ok(this)
    }

    /// Where a CPU's copy is.
    fn ptr_of(&self, cpu: Cpu) -> *mut T {
        // SAFETY: by the invariants of this and of `Cpu`.
        unsafe { bindings::lkm_per_cpu_ptr(self.ptr.as_ptr().cast(), cpu.number()) }.cast()
    }

    /// What the CPU that runs this has; any context.
    pub fn get<'a>(&'a self, guard: &'a CpuGuard) -> &'a T {
        self.of(guard.cpu())
    }

    /// What a CPU has, perhaps another one; any context.
    pub fn of(&self, cpu: Cpu) -> &T {
        // SAFETY: it holds a `T`, by the invariant, until `self` is dropped.
        unsafe { &*self.ptr_of(cpu) }
    }

    /// What each CPU has, in the order of their numbers; any context.
    pub fn iter(&self) -> impl Iterator<Item = (Cpu, &T)> + '_ {
        possible_cpus().map(move |cpu| (cpu, self.of(cpu)))
    }

    /// The same to write to, for who has it to itself; any context.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Cpu, &mut T)> + '_ {
        let this = &*self;
        possible_cpus().map(move |cpu| {
            // SAFETY: as in `of`; nobody else has it for as long as `self` is
            // borrowed, and each CPU comes once.
            let value = unsafe { &mut *this.ptr_of(cpu) };
            (cpu, value)
        })
    }
}

impl<T: Send + Sync> Drop for PerCpu<T> {
    #[cold]
    fn drop(&mut self) {
        let filled = self.filled;
        for cpu in possible_cpus().take_while(|cpu| cpu.number() < filled) {
            // SAFETY: it holds a `T`, by the invariant, which nobody uses now
            // or again.
            unsafe { self.ptr_of(cpu).drop_in_place() };
        }
        // SAFETY: by the invariant; it is not used again. C allows this in any
        // context.
        unsafe { bindings::free_percpu(self.ptr.as_ptr().cast()) };
    }
}

/// A number that each CPU counts up for itself, without a lock.
///
/// To count is a `this_cpu_add`, for which nothing has to be held: neither a
/// move to another CPU nor an interrupt can come between its parts. It is in no
/// order with other memory; a [`fence`](core::sync::atomic::fence) sets one.
pub struct Counter {
    counts: PerCpu<AtomicU64>,
}

impl Counter {
    /// Makes a counter that is 0 on each CPU. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, always so where one must not sleep.
    #[inline]
    pub fn new() -> Result<Self> {
        Ok(Self {
            counts: PerCpu::new(|_| Ok(AtomicU64::new(0)))?,
        })
    }

    /// Adds 1 on the CPU that runs this; any context.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n` on the CPU that runs this; any context. It wraps around.
    #[inline]
    pub fn add(&self, n: u64) {
        // SAFETY: it holds a 64-bit number for each CPU, by the invariant. C
        // writes to it in one piece, so others may load it at the same time;
        // nobody else writes.
        unsafe { bindings::lkm_this_cpu_add(self.counts.ptr.as_ptr().cast(), n) };
    }

    /// What was added on a CPU; any context. What is added meanwhile may be
    /// in it or not.
    #[inline]
    pub fn get(&self, cpu: Cpu) -> u64 {
        self.counts.of(cpu).load(Ordering::Relaxed)
    }

    /// What was added on all CPUs; any context. What is added meanwhile may be
    /// in it or not.
    #[inline]
    pub fn sum(&self) -> u64 {
        // SAFETY: as in `add`; C loads each in one piece.
        unsafe { bindings::lkm_per_cpu_sum(self.counts.ptr.as_ptr().cast()) }
    }
}
