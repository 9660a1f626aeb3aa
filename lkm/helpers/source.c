// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

/*
 * The list of everything of this module that the kernel may call back into;
 * ../source.rs says what it is for. Each module links a copy of its own, so
 * the list is the module's, too.
 */
static LIST_HEAD(sources);
static DEFINE_SPINLOCK(sources_lock);
static bool stopped;
static bool rcu_called;

/* False, and nothing done, once the module is on its way out. */
bool lkm_source_add(struct lkm_source *source)
{
	unsigned long flags;
	bool added;

	spin_lock_irqsave(&sources_lock, flags);
	added = !stopped;
	if (added)
		list_add_tail(&source->list, &sources);
	spin_unlock_irqrestore(&sources_lock, flags);
	return added;
}

/* False, and nothing done, once the module is on its way out. */
bool lkm_source_del(struct lkm_source *source)
{
	unsigned long flags;
	bool deleted;

	spin_lock_irqsave(&sources_lock, flags);
	deleted = !stopped;
	if (deleted)
		list_del(&source->list);
	spin_unlock_irqrestore(&sources_lock, flags);
	return deleted;
}

bool lkm_sources_stopped(void)
{
	return READ_ONCE(stopped);
}

/* call_rcu, whose callbacks are on no list of ours. */
void lkm_call_rcu(struct rcu_head *head, rcu_callback_t func)
{
	WRITE_ONCE(rcu_called, true);
	call_rcu(head, func);
}

/*
 * After this no callback of this module runs or will run.
 *
 * From `stopped` on, sources are neither armed, added nor freed, so the list
 * stands still. A callback that had read `stopped` before it was set may yet
 * arm a source that the first round is past; it has itself ended by the end
 * of that round, and what it armed, under the lock of a source that the round
 * had released, reads `stopped`. (hrtimer_cancel looks at an idle timer without
 * its lock: there it is smp_mb() that counts.) So after the second round nothing
 * is left. A thread is not armed but made, under a lock that its quiesce takes,
 * and not at all once that was there. What stops others as it is stopped
 * (a hotplug state its threads) may come before them or after: to be stopped
 * twice is once. The same holds for RCU's callbacks, with rcu_barrier() for
 * quiesce.
 * File operations are no callbacks: lkm/module.rs waits for them.
 */
void lkm_sources_stop(void)
{
	struct lkm_source *source;
	int round;

	spin_lock_irq(&sources_lock);
	WRITE_ONCE(stopped, true);
	spin_unlock_irq(&sources_lock);
	smp_mb();

	for (round = 0; round < 2; round++) {
		list_for_each_entry(source, &sources, list)
			source->quiesce(source);
		if (READ_ONCE(rcu_called))
			rcu_barrier();
	}
}
