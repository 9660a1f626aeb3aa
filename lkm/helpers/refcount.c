// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

void lkm_refcount_set(refcount_t *r, int n)
{
	refcount_set(r, n);
}

void lkm_refcount_inc(refcount_t *r)
{
	refcount_inc(r);
}

bool lkm_refcount_dec_and_test(refcount_t *r)
{
	return refcount_dec_and_test(r);
}
