/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel has as macros and inline functions, as functions that Rust
 * can call. One file for each facility, so that a module links only those
 * that it uses. `lkm_x` is `x` and nothing more, unless a comment says so.
 *
 * Where a module is linked as bitcode they are inlined into Rust. What is long and
 * not on the common way is `noinline`; what is seldom called is `__cold`, and made
 * small.
 */
#ifndef _LKM_HELPERS_H
#define _LKM_HELPERS_H

#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/interrupt.h>
#include <linux/kfifo.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/percpu.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/semaphore.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/topology.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

/* bug.c */
void lkm_bug(const char *file, int len, unsigned int line) __noreturn;

/* cpuhp.c */
int lkm_cpuhp_setup(const char *name, struct hlist_node *node,
		    int (*online)(unsigned int cpu, struct hlist_node *node),
		    int (*offline)(unsigned int cpu, struct hlist_node *node));
void lkm_cpuhp_remove(int state, struct hlist_node *node);

/* cpumask.c */
unsigned int lkm_nr_cpu_ids(void);
bool lkm_cpu_possible(unsigned int cpu);
bool lkm_cpu_online(unsigned int cpu);
unsigned int lkm_num_possible_cpus(void);
unsigned int lkm_num_online_cpus(void);
unsigned int lkm_next_possible_cpu(unsigned int from);
unsigned int lkm_next_online_cpu(unsigned int from);

/* irq.c */
unsigned long lkm_local_irq_save(void);
void lkm_local_irq_restore(unsigned long flags);
unsigned int lkm_smp_processor_id(void);
bool lkm_refuse_to_sleep(void);
bool lkm_not_atomic(void);
bool lkm_may_sleep(void);

/* What the others in here ask each time: inline, and the refusals are not. */

/*
 * Where the kernel itself does not count what must not be preempted, lkm counts what
 * is its own: spin locks, readers of RCU, interrupts that are off. The count is there, as
 * each kernel has it for interrupts.
 */
static __always_inline void count_atomic(void)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_COUNT)) {
		__preempt_count_add(PREEMPT_OFFSET);
		barrier();
	}
}

static __always_inline void uncount_atomic(void)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_COUNT)) {
		barrier();
		__preempt_count_sub(PREEMPT_OFFSET);
	}
}

/*
 * What runs with interrupts off has raised the preempt count: an interrupt handler,
 * a spin lock's holder, and lkm itself, which sees to it where C does not.
 */
static __always_inline bool is_atomic(void)
{
	return unlikely(preempt_count() || rcu_preempt_depth());
}

/*
 * Only a module that drops its guards in the wrong order has interrupts off without
 * a count, until it sleeps.
 */
static inline bool not_atomic(void)
{
	return likely(!is_atomic() && !irqs_disabled()) || !lkm_refuse_to_sleep();
}

/* A debug kernel says where the caller is. (might_sleep() may itself sleep.) */
static inline bool may_sleep(void)
{
	__might_sleep(__FILE__, __LINE__);
	return not_atomic();
}

/* kthread.c */
int lkm_kthread_create(struct task_struct **task, int (*run)(void *data), void *data,
		       int cpu, const char *name);
void lkm_put_task_struct(struct task_struct *task);
void lkm_kthread_sleep(unsigned long ticks);
void lkm_kthread_return_to(unsigned int cpu);

/* kvec.c */
void *lkm_kvmalloc(size_t size);
void *lkm_kvzalloc(size_t size);
void lkm_kvfree(const void *addr);

/* mutex.c: spins where one must not sleep; and an interrupt does not get it */
void lkm_mutex_init(struct mutex *lock, const char *name, struct lock_class_key *key);
void lkm_mutex_lock(struct mutex *lock);
bool lkm_mutex_trylock(struct mutex *lock);
void lkm_mutex_unlock(struct mutex *lock);
bool lkm_mutex_is_locked(struct mutex *lock);
void lkm_mutex_destroy(struct mutex *lock);

/* percpu.c */
unsigned int lkm_get_cpu(void);
void lkm_put_cpu(void);
void *lkm_per_cpu_ptr(void __percpu *ptr, unsigned int cpu);
void lkm_this_cpu_add(u64 __percpu *ptr, u64 n);
u64 lkm_per_cpu_sum(u64 __percpu *ptr);

/* rcu.c */
void lkm_rcu_read_lock(void);
void lkm_rcu_read_unlock(void);

/* refcount.c */
void lkm_refcount_set(refcount_t *r, int n);
unsigned int lkm_refcount_read(const refcount_t *r);
void lkm_refcount_inc(refcount_t *r);
void lkm_refcount_dec(refcount_t *r);
bool lkm_refcount_dec_and_test(refcount_t *r);

/* rwsem.c */
void lkm_init_rwsem(struct rw_semaphore *sem, const char *name, struct lock_class_key *key);
void lkm_down_read(struct rw_semaphore *sem);
void lkm_down_write(struct rw_semaphore *sem);
bool lkm_down_read_trylock(struct rw_semaphore *sem);
bool lkm_down_write_trylock(struct rw_semaphore *sem);
void lkm_up_read(struct rw_semaphore *sem);
void lkm_up_write(struct rw_semaphore *sem);
bool lkm_rwsem_is_locked(struct rw_semaphore *sem);

/* semaphore.c: with one holder, of whom lockdep knows */
struct lkm_semaphore {
	struct semaphore sem;
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	struct lockdep_map dep_map;
#endif
};
void lkm_sema_init(struct lkm_semaphore *lock, const char *name, struct lock_class_key *key);
void lkm_down(struct lkm_semaphore *lock);
int lkm_down_interruptible(struct lkm_semaphore *lock);
bool lkm_down_trylock(struct lkm_semaphore *lock);
void lkm_up(struct lkm_semaphore *lock);
bool lkm_sema_is_locked(struct lkm_semaphore *lock);

/* source.c: see ../source.rs */
struct lkm_source {
	struct list_head list;
	void (*quiesce)(void *object);
	void *object;
};
void lkm_sources_start(void);
bool lkm_source_add(struct lkm_source *source, void (*quiesce)(void *object), void *object);
bool lkm_source_del(struct lkm_source *source);
void lkm_sources_stop(void);
bool lkm_sources_stopped(void);
void lkm_call_rcu(struct rcu_head *head, rcu_callback_t func);
void lkm_leaked(void);
void lkm_report_leaked(void);

/* spinlock.c */
void lkm_spin_lock_init(spinlock_t *lock, const char *name, struct lock_class_key *key);
void lkm_spin_lock(spinlock_t *lock);
void lkm_spin_unlock(spinlock_t *lock);
bool lkm_spin_trylock(spinlock_t *lock);
bool lkm_spin_trylock_irqsave(spinlock_t *lock, unsigned long *flags);
unsigned long lkm_spin_lock_irqsave(spinlock_t *lock);
void lkm_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags);
bool lkm_spin_is_locked(spinlock_t *lock);

/* splice.c */
ssize_t lkm_splice_read(struct file *in, loff_t *ppos, struct pipe_inode_info *pipe, size_t len,
			unsigned int flags);

/* task.c: to get and to put a thread is to count who refers to it */
struct task_struct *lkm_current(void);
bool lkm_is_current(struct task_struct *task);
void lkm_get_current(void);
void lkm_put_current(void);
bool lkm_fatal_signal_pending(struct task_struct *task);
void lkm_cond_resched(void);

/* tasklet.c */
void lkm_tasklet_schedule(struct tasklet_struct *t);

/* timer.c */
void lkm_timer_setup(struct timer_list *timer, void (*function)(struct timer_list *),
		     const char *name, struct lock_class_key *key);
void lkm_del_timer_sync(struct timer_list *timer);
unsigned long lkm_jiffies(void);

/* uaccess.c */
bool lkm_has_user_memory(void);
unsigned long lkm_copy_from_user(void *to, const void __user *from, unsigned long n);
unsigned long lkm_copy_to_user(void __user *to, const void *from, unsigned long n);
unsigned long lkm_copy_to_user_nofault(void __user *to, const void *from, unsigned long n);
bool lkm_fault_in_writeable(char __user *to);
bool lkm_copy_from_iter(void *to, size_t n, struct iov_iter *from);
bool lkm_copy_to_iter(const void *from, size_t n, struct iov_iter *to);
size_t lkm_copy_to_iter_nofault(const void *from, size_t n, struct iov_iter *to);
bool lkm_fault_in_iter_writeable(const struct iov_iter *to);

/* wait.c */
void lkm_poll_wait(struct file *file, struct wait_queue_head *wq, struct poll_table_struct *table);

/* workqueue.c */
void lkm_init_work(struct work_struct *work, work_func_t func, const char *name,
		   struct lock_class_key *key);
bool lkm_queue_work(struct workqueue_struct *wq, struct work_struct *work);
void lkm_cancel_work_sync(struct work_struct *work);
struct workqueue_struct *lkm_alloc_workqueue(const char *name, unsigned int flags);

#endif
