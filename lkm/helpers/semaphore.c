// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

/*
 * C lets anybody release a semaphore, so lockdep does not look at them. These
 * are released by who took them, and it is told.
 */
void lkm_sema_init(struct lkm_semaphore *lock, const char *name, struct lock_class_key *key)
{
	sema_init(&lock->sem, 1);
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	lockdep_init_map_wait(&lock->dep_map, name, key, 0, LD_WAIT_SLEEP);
#endif
}

/* LOCK_CONTENDED wants functions of the lock. */
static void take(struct lkm_semaphore *lock)
{
	down(&lock->sem);
}

static int take_interruptible(struct lkm_semaphore *lock)
{
	return down_interruptible(&lock->sem);
}

static bool __maybe_unused try_to_take(struct lkm_semaphore *lock)
{
	return !down_trylock(&lock->sem);
}

void lkm_down(struct lkm_semaphore *lock)
{
	lock_acquire_exclusive(&lock->dep_map, 0, 0, NULL, _RET_IP_);
	LOCK_CONTENDED(lock, try_to_take, take);
}

int lkm_down_interruptible(struct lkm_semaphore *lock)
{
	int err;

	lock_acquire_exclusive(&lock->dep_map, 0, 0, NULL, _RET_IP_);
	err = LOCK_CONTENDED_RETURN(lock, try_to_take, take_interruptible);
	if (err)
		lock_release(&lock->dep_map, _RET_IP_);
	return err;
}

bool lkm_down_trylock(struct lkm_semaphore *lock)
{
	if (down_trylock(&lock->sem))
		return false;
	lock_acquire_exclusive(&lock->dep_map, 0, 1, NULL, _RET_IP_);
	return true;
}

void lkm_up(struct lkm_semaphore *lock)
{
	lock_release(&lock->dep_map, _RET_IP_);
	up(&lock->sem);
}

bool lkm_sema_is_locked(struct lkm_semaphore *lock)
{
	return READ_ONCE(lock->sem.count) != 1;
}
