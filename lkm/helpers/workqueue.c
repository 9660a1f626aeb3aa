// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

void lkm_init_work(struct work_struct *work, work_func_t func, const char *name,
		   struct lock_class_key *key)
{
	__init_work(work, false);
	work->data = (atomic_long_t)WORK_DATA_INIT();
	lockdep_init_map(&work->lockdep_map, name, key, 0);
	INIT_LIST_HEAD(&work->entry);
	work->func = func;
}

struct workqueue_struct *lkm_alloc_workqueue(const char *name, unsigned int flags)
{
	return alloc_workqueue("%s", flags, 0, name);
}

bool lkm_queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	return queue_work(wq, work);
}

void lkm_cancel_work_sync(struct work_struct *work)
{
	if (may_sleep()) {
		cancel_work_sync(work);
	} else {
		/* A bug that was warned of. This may never end, but does no harm. */
		cancel_work(work);
		while (work_busy(work))
			cpu_relax();
	}
}
