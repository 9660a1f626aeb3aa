// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

void lkm_refcount_set(refcount_t *r, int n)
{
	refcount_set(r, n);
}

unsigned int lkm_refcount_read(const refcount_t *r)
{
	return refcount_read(r);
}

void lkm_refcount_inc(refcount_t *r)
{
	refcount_inc(r);
}

void lkm_refcount_dec(refcount_t *r)
{
	refcount_dec(r);
}

bool lkm_refcount_dec_and_test(refcount_t *r)
{
	return refcount_dec_and_test(r);
}
