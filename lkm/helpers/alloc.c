// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

/*
 * What Rust's `alloc` calls, be it from lkm or from a module. The kernel has
 * the same, but sleeps there unasked; the linker takes these first.
 */
void *__rust_alloc(size_t size, size_t align);
void *__rust_alloc_zeroed(size_t size, size_t align);
void *__rust_realloc(void *ptr, size_t old_size, size_t align, size_t size);
void __rust_dealloc(void *ptr, size_t size, size_t align);

/* What is to be asked of the kernel for this; 0 if nothing is to be asked. */
static size_t may_allocate(size_t size, size_t align)
{
	if (size > KMALLOC_MAX_SIZE || align > KMALLOC_MAX_SIZE || !may_sleep())
		return 0;
	/* A power of two is aligned to itself. */
	if (align > ARCH_KMALLOC_MINALIGN)
		size = roundup_pow_of_two(max(size, align));
	return size;
}

void *__rust_alloc(size_t size, size_t align)
{
	size = may_allocate(size, align);
	return size ? kmalloc(size, GFP_KERNEL) : NULL;
}

void *__rust_alloc_zeroed(size_t size, size_t align)
{
	size = may_allocate(size, align);
	return size ? kzalloc(size, GFP_KERNEL) : NULL;
}

void *__rust_realloc(void *ptr, size_t old_size, size_t align, size_t size)
{
	size = may_allocate(size, align);
	return size ? krealloc(ptr, size, GFP_KERNEL) : NULL;
}

void __rust_dealloc(void *ptr, size_t size, size_t align)
{
	kfree(ptr);
}
