// SPDX-License-Identifier: GPL-2.0
/*
 * The twin of modules/misc_mutex.rs: a message guarded by a mutex, which is
 * held while the message is copied from and to userland.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "misc/device.h"

static DEFINE_MUTEX(lock);
static struct message message;

static int guard_init(const struct message *first)
{
	message = *first;
	return 0;
}

static void guard_exit(void)
{
}

static ssize_t guard_read(struct opened *opened, char __user *buf, size_t len, loff_t *pos)
{
	ssize_t count;

	mutex_lock(&lock);
	count = read_page(opened, goes_on(opened, pos) ? &opened->page : &message, buf, len, pos);
	mutex_unlock(&lock);
	return count;
}

static int guard_replace(const char __user *buf, size_t len)
{
	struct message new;
	int err;

	mutex_lock(&lock);
	/* Whole before it replaces the old one: half of it may be unreadable. */
	err = message_from_user(&new, buf, len);
	if (!err) {
		new.generation = message.generation + 1;
		message = new;
	}
	mutex_unlock(&lock);
	return err;
}

static void guard_stats(struct misc_stats *stats)
{
	mutex_lock(&lock);
	describe(&message, stats);
	mutex_unlock(&lock);
	stats->messages = 1;
}

MODULE_DESCRIPTION("A device guarded by a mutex");
