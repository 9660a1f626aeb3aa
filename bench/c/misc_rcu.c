// SPDX-License-Identifier: GPL-2.0
/*
 * The twin of modules/misc_rcu.rs: a message that is read without a lock, and
 * freed a grace period after it was replaced.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/rcupdate.h>

#include "misc/device.h"

static bool deferred;
module_param(deferred, bool, 0644);
MODULE_PARM_DESC(deferred, "free an old message by call_rcu, instead of waiting in write(2)");

struct published {
	struct message message;
	struct rcu_head rcu;
};

static DEFINE_MUTEX(writers);
static struct published __rcu *published;
static atomic64_t live;

static struct published *alloc_message(void)
{
	struct published *new = kmalloc(sizeof(*new), GFP_KERNEL);

	if (new)
		atomic64_inc(&live);
	return new;
}

static void free_message(struct published *old)
{
	atomic64_dec(&live);
	kfree(old);
}

static void free_message_rcu(struct rcu_head *rcu)
{
	free_message(container_of(rcu, struct published, rcu));
}

static int guard_init(const struct message *first)
{
	struct published *new = alloc_message();

	if (!new)
		return -ENOMEM;
	new->message = *first;
	RCU_INIT_POINTER(published, new);
	return 0;
}

static void guard_exit(void)
{
	rcu_barrier();
	free_message(rcu_dereference_protected(published, true));
}

static ssize_t guard_read(struct opened *opened, char __user *buf, size_t len, loff_t *pos)
{
	struct message current_one;

	if (goes_on(opened, pos))
		return read_page(opened, &opened->page, buf, len, pos);
	rcu_read_lock();
	current_one = rcu_dereference(published)->message;
	rcu_read_unlock();
	return read_page(opened, &current_one, buf, len, pos);
}

static int guard_replace(const char __user *buf, size_t len)
{
	struct published *new = alloc_message();
	struct published *old;
	int err;

	if (!new)
		return -ENOMEM;
	err = message_from_user(&new->message, buf, len);
	if (err) {
		free_message(new);
		return err;
	}
	mutex_lock(&writers);
	old = rcu_dereference_protected(published, lockdep_is_held(&writers));
	new->message.generation = old->message.generation + 1;
	rcu_assign_pointer(published, new);
	mutex_unlock(&writers);
	/* The next writer need not wait for the grace period of this one. */
	if (READ_ONCE(deferred)) {
		call_rcu(&old->rcu, free_message_rcu);
	} else {
		synchronize_rcu();
		free_message(old);
	}
	return 0;
}

static void guard_stats(struct misc_stats *stats)
{
	rcu_read_lock();
	describe(&rcu_dereference(published)->message, stats);
	rcu_read_unlock();
	stats->messages = atomic64_read(&live);
}

MODULE_DESCRIPTION("A device whose message is read under RCU");
