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

static void *reallocate(void *ptr, size_t size, size_t align, gfp_t flags)
{
	if (size > KMALLOC_MAX_SIZE || align > KMALLOC_MAX_SIZE || !may_sleep())
		return NULL;
	/* A power of two is aligned to itself. */
	if (align > ARCH_KMALLOC_MINALIGN)
		size = roundup_pow_of_two(max(size, align));
	return krealloc(ptr, size, GFP_KERNEL | flags);
}

void *__rust_alloc(size_t size, size_t align)
{
	return reallocate(NULL, size, align, 0);
}

void *__rust_alloc_zeroed(size_t size, size_t align)
{
	return reallocate(NULL, size, align, __GFP_ZERO);
}

void *__rust_realloc(void *ptr, size_t old_size, size_t align, size_t size)
{
	return reallocate(ptr, size, align, 0);
}

void __rust_dealloc(void *ptr, size_t size, size_t align)
{
	kfree(ptr);
}
