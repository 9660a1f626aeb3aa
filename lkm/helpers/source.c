// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"
#include <linux/module.h>

/*
 * The list of everything of this module that the kernel may call back into;
 * ../source.rs says what it is for. Each module links a copy of its own, so
 * the list is the module's, too.
 */
static LIST_HEAD(sources);
static DEFINE_SPINLOCK(sources_lock);
/* From the first, until lkm_sources_start(): who does not stop must not start. */
static bool stopped = true;
/*
 * These are read without READ_ONCE: of a module that has no source, or leaks
 * nothing, the link sees that they never change, and leaves out what is for those.
 * Whoever wrote them has ended by then, or the loop over the sources waits for him.
 */
static bool has_sources, rcu_called;
static atomic_t leaked;

/* Once, before any other code of the module runs. */
void lkm_sources_start(void)
{
	stopped = false;
}

/*
 * Lists what `quiesce` of `object` cancels. False, and not listed, before the
 * module has begun and once it is on its way out.
 */
__cold bool lkm_source_add(struct lkm_source *source, void (*quiesce)(void *object), void *object)
{
	unsigned long flags;
	bool added;

	source->quiesce = quiesce;
	source->object = object;
	spin_lock_irqsave(&sources_lock, flags);
	added = !stopped;
	if (added) {
		has_sources = true;
		list_add_tail(&source->list, &sources);
	}
	spin_unlock_irqrestore(&sources_lock, flags);
	return added;
}

/* False, and nothing done, once the module is on its way out. */
__cold bool lkm_source_del(struct lkm_source *source)
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
__cold void lkm_sources_stop(void)
{
	struct lkm_source *source;
	int round;

	if (!data_race(has_sources) && !data_race(rcu_called))
		return;

	spin_lock_irq(&sources_lock);
	WRITE_ONCE(stopped, true);
	spin_unlock_irq(&sources_lock);
	smp_mb();

	for (round = 0; round < 2; round++) {
		list_for_each_entry(source, &sources, list)
			source->quiesce(source->object);
		if (data_race(rcu_called))
			rcu_barrier();
	}
}

/* A handle cannot be dropped, as one must not sleep; any context. */
noinline __cold void lkm_leaked(void)
{
	atomic_inc(&leaked);
}

/* The warning when it happens is given once, and not by name. */
__cold void lkm_report_leaked(void)
{
	int n = data_race(leaked.counter);

	if (n)
		pr_warn("%s: %d handle%s dropped where one must not sleep, and leaked\n",
			THIS_MODULE->name, n, n == 1 ? " was" : "s were");
}
