// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

/*
 * Makes a thread that waits for wake_up_process, with a reference for the
 * caller; bound to `cpu`, of which its name then says so, unless that is -1.
 */
__cold int lkm_kthread_create(struct task_struct **task, int (*run)(void *data), void *data,
		       int cpu, const char *name)
{
	struct task_struct *k;

	if (cpu < 0)
		k = kthread_create(run, data, "%s", name);
	else
		k = kthread_create_on_node(run, data, cpu_to_node(cpu), "%s/%d", name, cpu);
	if (IS_ERR(k))
		return PTR_ERR(k);
	if (cpu >= 0)
		kthread_bind(k, cpu);
	*task = get_task_struct(k);
	return 0;
}

void lkm_put_task_struct(struct task_struct *task)
{
	put_task_struct(task);
}

/*
 * Sleeps for `ticks` or until the thread should stop. As its state is set before
 * it looks, a stop that comes after the look finds it asleep and wakes it. (An
 * idle sleep is ended by no signal, and is no load.)
 */
void lkm_kthread_sleep(unsigned long ticks)
{
	/* As in msleep: a part of the first tick is over. */
	long left = ticks + 1;

	while (left) {
		set_current_state(TASK_IDLE);
		if (kthread_should_stop())
			break;
		left = schedule_timeout(left);
	}
	__set_current_state(TASK_RUNNING);
}

/*
 * What is bound to a CPU that is about to go offline loses its binding, and
 * does not get it back if the CPU stays after all. An active CPU is not going.
 */
void lkm_kthread_return_to(unsigned int cpu)
{
	if (raw_smp_processor_id() != cpu && cpu_active(cpu))
		set_cpus_allowed_ptr(current, cpumask_of(cpu));
}
