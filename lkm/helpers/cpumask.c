// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

unsigned int lkm_nr_cpu_ids(void)
{
	return nr_cpu_ids;
}

/* False for a number that no CPU can have. */
bool lkm_cpu_possible(unsigned int cpu)
{
	return cpu < nr_cpu_ids && cpu_possible(cpu);
}

bool lkm_cpu_online(unsigned int cpu)
{
	return cpu_online(cpu);
}

unsigned int lkm_num_possible_cpus(void)
{
	return num_possible_cpus();
}

unsigned int lkm_num_online_cpus(void)
{
	return num_online_cpus();
}

/* The first possible CPU from this number on; none: at least nr_cpu_ids. */
unsigned int lkm_next_possible_cpu(unsigned int from)
{
	return cpumask_next((int)from - 1, cpu_possible_mask);
}

unsigned int lkm_next_online_cpu(unsigned int from)
{
	return cpumask_next((int)from - 1, cpu_online_mask);
}
