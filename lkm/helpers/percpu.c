// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

unsigned int lkm_get_cpu(void)
{
	unsigned int cpu = get_cpu();

	count_atomic();
	return cpu;
}

void lkm_put_cpu(void)
{
	uncount_atomic();
	put_cpu();
}

void *lkm_per_cpu_ptr(void __percpu *ptr, unsigned int cpu)
{
	return per_cpu_ptr(ptr, cpu);
}

void lkm_this_cpu_add(u64 __percpu *ptr, u64 n)
{
	this_cpu_add(*ptr, n);
}

/* What all possible CPUs have in it. */
u64 lkm_per_cpu_sum(u64 __percpu *ptr)
{
	unsigned int cpu;
	u64 sum = 0;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(ptr, cpu));
	return sum;
}
