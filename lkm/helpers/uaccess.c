// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

/* A kernel thread or an interrupt would find the memory of any process. */
static bool has_user_memory(void)
{
	return in_task() && current->mm;
}

/*
 * To wait for a page is to sleep. Under a spin lock the kernel does not, and
 * nothing is copied of the page; but it does with interrupts off alone, and of
 * an RCU reader it does not know.
 */
static bool may_copy(void)
{
	return has_user_memory() && !irqs_disabled() && !is_rcu_reader();
}

/* Nothing is copied; a thread that could have waited for its memory is warned of. */
static noinline unsigned long refuse_to_copy(unsigned long n)
{
	if (has_user_memory())
		lkm_refuse_to_sleep();
	return n;
}

/*
 * A copy under a spin lock is a bug, and is reported here: might_fault() would
 * also have lockdep report mmap_lock, and after its first report lockdep is
 * off. With page faults disabled it does not, and the copy ends at the first
 * page that is not there.
 */
static bool begin_copy(void)
{
	if (!IS_ENABLED(CONFIG_PROVE_LOCKING) || !IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP) || !in_atomic())
		return false;
	__might_sleep(__FILE__, __LINE__);
	pagefault_disable();
	return true;
}

static void end_copy(bool atomic)
{
	if (atomic)
		pagefault_enable();
}

unsigned long lkm_copy_from_user(void *to, const void __user *from, unsigned long n)
{
	bool atomic;

	if (unlikely(!may_copy()))
		return refuse_to_copy(n);
	atomic = begin_copy();
	n = copy_from_user(to, from, n);
	end_copy(atomic);
	return n;
}

unsigned long lkm_copy_to_user(void __user *to, const void *from, unsigned long n)
{
	bool atomic;

	if (unlikely(!may_copy()))
		return refuse_to_copy(n);
	atomic = begin_copy();
	n = copy_to_user(to, from, n);
	end_copy(atomic);
	return n;
}

/* As copy_to_user, but what is not in memory is left uncopied, not waited for. */
unsigned long lkm_copy_to_user_nofault(void __user *to, const void *from, unsigned long n)
{
	if (!has_user_memory() || !access_ok(to, n))
		return n;
	check_object_size(from, n, true);
	pagefault_disable();
	n = __copy_to_user_inatomic(to, from, n);
	pagefault_enable();
	return n;
}

/* Brings the page of `to` into memory; whether it can be written. */
bool lkm_fault_in_writeable(char __user *to)
{
	return may_sleep() && has_user_memory() && access_ok(to, 1) && !fault_in_safe_writeable(to, 1);
}
