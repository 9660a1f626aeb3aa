// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

unsigned long lkm_copy_from_user(void *to, const void __user *from, unsigned long n)
{
	return copy_from_user(to, from, n);
}

unsigned long lkm_copy_to_user(void __user *to, const void *from, unsigned long n)
{
	return copy_to_user(to, from, n);
}

/* As copy_to_user, but what is not in memory is left uncopied, not waited for. */
unsigned long lkm_copy_to_user_nofault(void __user *to, const void *from, unsigned long n)
{
	if (!access_ok(to, n))
		return n;
	check_object_size(from, n, true);
	pagefault_disable();
	n = __copy_to_user_inatomic(to, from, n);
	pagefault_enable();
	return n;
}

/* The number of bytes that cannot be written; all of them for a kernel thread. */
unsigned long lkm_fault_in_writeable(char __user *to, unsigned long n)
{
	if (!current->mm || !access_ok(to, n))
		return n;
	return fault_in_safe_writeable(to, n);
}
