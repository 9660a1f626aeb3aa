// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

void lkm_mutex_init(struct mutex *lock, const char *name, struct lock_class_key *key)
{
	__mutex_init(lock, name, key);
}

/*
 * The holder is kept alive: a guard that is leaked names it as the owner for
 * ever, and those who wait for the mutex look at what the owner does.
 */
void lkm_mutex_lock(struct mutex *lock)
{
	mutex_lock(lock);
	get_task_struct(current);
}

bool lkm_mutex_trylock(struct mutex *lock)
{
	if (!mutex_trylock(lock))
		return false;
	get_task_struct(current);
	return true;
}

void lkm_mutex_unlock(struct mutex *lock)
{
	mutex_unlock(lock);
	put_task_struct(current);
}

void lkm_mutex_destroy(struct mutex *lock)
{
	mutex_destroy(lock);
}

void lkm_init_rwsem(struct rw_semaphore *sem, const char *name, struct lock_class_key *key)
{
	__init_rwsem(sem, name, key);
}

/* As for a mutex, the holder is kept alive. */
void lkm_down_read(struct rw_semaphore *sem)
{
	down_read(sem);
	get_task_struct(current);
}

void lkm_down_write(struct rw_semaphore *sem)
{
	down_write(sem);
	get_task_struct(current);
}

bool lkm_down_read_trylock(struct rw_semaphore *sem)
{
	if (!down_read_trylock(sem))
		return false;
	get_task_struct(current);
	return true;
}

bool lkm_down_write_trylock(struct rw_semaphore *sem)
{
	if (!down_write_trylock(sem))
		return false;
	get_task_struct(current);
	return true;
}

void lkm_up_read(struct rw_semaphore *sem)
{
	up_read(sem);
	put_task_struct(current);
}

void lkm_up_write(struct rw_semaphore *sem)
{
	up_write(sem);
	put_task_struct(current);
}

void lkm_spin_lock_init(spinlock_t *lock, const char *name, struct lock_class_key *key)
{
#ifdef CONFIG_DEBUG_SPINLOCK
	__raw_spin_lock_init(spinlock_check(lock), name, key, LD_WAIT_CONFIG);
#else
	spin_lock_init(lock);
#endif
}

void lkm_spin_lock(spinlock_t *lock)
{
	spin_lock(lock);
}

void lkm_spin_unlock(spinlock_t *lock)
{
	spin_unlock(lock);
}

int lkm_spin_trylock(spinlock_t *lock)
{
	return spin_trylock(lock);
}

bool lkm_spin_trylock_irqsave(spinlock_t *lock, unsigned long *flags)
{
	return spin_trylock_irqsave(lock, *flags);
}

unsigned long lkm_spin_lock_irqsave(spinlock_t *lock)
{
	unsigned long flags;

	spin_lock_irqsave(lock, flags);
	return flags;
}

void lkm_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags)
{
	spin_unlock_irqrestore(lock, flags);
}
