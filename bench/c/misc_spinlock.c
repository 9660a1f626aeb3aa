// SPDX-License-Identifier: GPL-2.0
/*
 * The twin of modules/misc_spinlock.rs: a message guarded by a spin lock,
 * under which one message takes the place of another.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/spinlock.h>

#include "misc/device.h"

static bool buggy;
module_param(buggy, bool, 0644);
MODULE_PARM_DESC(buggy, "copy from userland, which may sleep, with the lock held");

static DEFINE_SPINLOCK(lock);
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
	struct message current_one;

	if (goes_on(opened, pos))
		return read_page(opened, &opened->page, buf, len, pos);
	spin_lock(&lock);
	current_one = message;
	spin_unlock(&lock);
	return read_page(opened, &current_one, buf, len, pos);
}

static int guard_replace(const char __user *buf, size_t len)
{
	bool copy_locked = READ_ONCE(buggy);
	struct message new;
	int err = 0;

	if (!copy_locked) {
		err = message_from_user(&new, buf, len);
		if (err)
			return err;
	}
	spin_lock(&lock);
	if (copy_locked)
		err = message_from_user(&new, buf, len);
	if (!err) {
		new.generation = message.generation + 1;
		message = new;
	}
	spin_unlock(&lock);
	return err;
}

static void guard_stats(struct misc_stats *stats)
{
	spin_lock(&lock);
	describe(&message, stats);
	spin_unlock(&lock);
	stats->messages = 1;
}

MODULE_DESCRIPTION("A device guarded by a spin lock");
