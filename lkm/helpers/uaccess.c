// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

/* A kernel thread or an interrupt would find the memory of any process. */
static inline bool has_user_memory(void)
{
	return in_task() && current->mm;
}

bool lkm_has_user_memory(void)
{
	return has_user_memory();
}

/*
 * To wait for a page is to sleep: what follows is for those who are atomic. (Whether
 * a thread has memory was asked when it made its UserSlice a reader or a writer,
 * which no other thread gets; who reads and writes devices has some.)
 *
 * If true, page faults are disabled, and the copy ends at the first page that is
 * not there.
 *
 * So does the kernel do it under a spin lock anyway. It is a bug there, and is
 * reported here: might_fault() would also have lockdep report mmap_lock, and
 * after its first report lockdep is off. With interrupts off the kernel would
 * wait, and of an RCU reader it does not know: nothing is copied.
 */
static noinline __cold bool begin_atomic_copy(void)
{
	if (!has_user_memory())
		return false;
	if (irqs_disabled() || rcu_preempt_depth()) {
		lkm_refuse_to_sleep();
		return false;
	}
	__might_sleep(__FILE__, __LINE__);
	pagefault_disable();
	return true;
}

static void end_atomic_copy(void)
{
	pagefault_enable();
}

/* One of the two addresses is userland's. */
static noinline __cold unsigned long copy_atomic(void *to, const void *from, unsigned long n,
						 bool to_user)
{
	if (begin_atomic_copy()) {
		n = to_user ? copy_to_user((void __force __user *)to, from, n)
			    : copy_from_user(to, (const void __force __user *)from, n);
		end_atomic_copy();
	}
	return n;
}

inline unsigned long lkm_copy_from_user(void *to, const void __user *from, unsigned long n)
{
	return is_atomic() ? copy_atomic(to, (const void __force *)from, n, false)
			   : copy_from_user(to, from, n);
}

inline unsigned long lkm_copy_to_user(void __user *to, const void *from, unsigned long n)
{
	return is_atomic() ? copy_atomic((void __force *)to, from, n, true)
			   : copy_to_user(to, from, n);
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
noinline __cold bool lkm_fault_in_writeable(char __user *to)
{
	return may_sleep() && has_user_memory() && access_ok(to, 1) && !fault_in_safe_writeable(to, 1);
}

/*
 * The same for what readv, writev, splice and io_uring bring, which is seldom: read
 * and write do without. (It is no pipe, for which copy_to_iter would allocate: see
 * splice.c.)
 */

/* All or nothing. */
noinline __cold bool lkm_copy_from_iter(void *to, size_t n, struct iov_iter *from)
{
	bool atomic = is_atomic(), copied;

	if (atomic && !begin_atomic_copy())
		return !n;
	copied = copy_from_iter_full(to, n, from);
	if (atomic)
		end_atomic_copy();
	return copied;
}

/* `to` has moved on by all or nothing. */
noinline __cold bool lkm_copy_to_iter(const void *from, size_t n, struct iov_iter *to)
{
	bool atomic = is_atomic();
	size_t copied;

	if (atomic && !begin_atomic_copy())
		return !n;
	copied = copy_to_iter(from, n, to);
	if (atomic)
		end_atomic_copy();
	if (copied != n)
		iov_iter_revert(to, copied);
	return copied == n;
}

/* How many bytes were copied. */
noinline __cold size_t lkm_copy_to_iter_nofault(const void *from, size_t n, struct iov_iter *to)
{
	if (!has_user_memory())
		return 0;
	pagefault_disable();
	n = copy_to_iter(from, n, to);
	pagefault_enable();
	return n;
}

noinline __cold bool lkm_fault_in_iter_writeable(const struct iov_iter *to)
{
	return may_sleep() && has_user_memory() && !fault_in_iov_iter_writeable(to, 1);
}
