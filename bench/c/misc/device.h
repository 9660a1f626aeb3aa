/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The twin of modules/misc: the device of the misc family, all but how its
 * message is guarded. A module that includes this defines the guard_*
 * functions, of which there is one set in each, so that they can be inlined.
 */
#ifndef _C_MISC_DEVICE_H
#define _C_MISC_DEVICE_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../../../include/uapi/misc.h"

struct message {
	u64 generation;
	size_t len;
	char bytes[MISC_MESSAGE_MAX];
};

/* An open file, and the message that it is in the middle of, as in seq_file. */
struct opened {
	struct mutex lock;	/* for all of this, and while the page is copied out */
	loff_t end;		/* of the last read in it; 0: none */
	struct message page;
};

static int guard_init(const struct message *first);
static void guard_exit(void);
static ssize_t guard_read(struct opened *opened, char __user *buf, size_t len, loff_t *pos);
static int guard_replace(const char __user *buf, size_t len);
static void guard_stats(struct misc_stats *stats);

/* Nothing else is to be consistent with a count. */
static atomic64_t bytes_read, bytes_written, opens, errors;

/* Whether a read at *pos goes on in the page. */
static inline bool goes_on(const struct opened *opened, const loff_t *pos)
{
	return opened->end && opened->end == *pos;
}

/* What guard_read() ends with: @from is the page, or what is to be the page. */
static inline ssize_t read_page(struct opened *opened, const struct message *from,
				char __user *buf, size_t len, loff_t *pos)
{
	ssize_t count = simple_read_from_buffer(buf, len, pos, from->bytes, from->len);

	if (count < 0)
		return count;
	if (from != &opened->page)
		opened->page = *from;
	opened->end = *pos;
	return count;
}

static inline int message_from_user(struct message *message, const char __user *buf, size_t len)
{
	if (copy_from_user(message->bytes, buf, len))
		return -EFAULT;
	message->len = len;
	return 0;
}

static inline void describe(const struct message *message, struct misc_stats *stats)
{
	stats->generation = message->generation;
	stats->length = message->len;
}

static int device_open(struct inode *inode, struct file *file)
{
	struct opened *opened = kmalloc(sizeof(*opened), GFP_KERNEL);

	if (!opened)
		return -ENOMEM;
	mutex_init(&opened->lock);
	opened->end = 0;
	file->private_data = opened;
	atomic64_inc(&opens);
	return 0;
}

static int device_release(struct inode *inode, struct file *file)
{
	struct opened *opened = file->private_data;

	mutex_destroy(&opened->lock);
	kfree(opened);
	return 0;
}

static ssize_t device_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct opened *opened = file->private_data;
	ssize_t count;

	if (!len)
		return 0;
	mutex_lock(&opened->lock);
	count = guard_read(opened, buf, len, pos);
	mutex_unlock(&opened->lock);
	if (count < 0)
		atomic64_inc(&errors);
	else
		atomic64_add(count, &bytes_read);
	return count;
}

static ssize_t device_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	int err;

	if (!len)
		return 0;
	err = len > MISC_MESSAGE_MAX ? -EMSGSIZE : guard_replace(buf, len);
	if (err) {
		atomic64_inc(&errors);
		return err;
	}
	atomic64_add(len, &bytes_written);
	return len;
}

static int get_stats(struct misc_stats __user *to)
{
	struct misc_stats stats = {
		.bytes_read = atomic64_read(&bytes_read),
		.bytes_written = atomic64_read(&bytes_written),
		.opens = atomic64_read(&opens),
		.errors = atomic64_read(&errors),
	};

	guard_stats(&stats);
	return copy_to_user(to, &stats, sizeof(stats)) ? -EFAULT : 0;
}

static int reset_stats(const struct file *file)
{
	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	atomic64_set(&bytes_read, 0);
	atomic64_set(&bytes_written, 0);
	atomic64_set(&opens, 0);
	atomic64_set(&errors, 0);
	return 0;
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	int err;

	switch (cmd) {
	case MISC_GET_STATS:
		err = get_stats((struct misc_stats __user *)arg);
		break;
	case MISC_RESET_STATS:
		err = reset_stats(file);
		break;
	default:
		err = -ENOTTY;
	}
	if (err)
		atomic64_inc(&errors);
	return err;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.read = device_read,
	.write = device_write,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = no_seek_end_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = KBUILD_MODNAME,
	.fops = &device_fops,
};

static char *initmsg = "Hello, world!\n";
module_param(initmsg, charp, 0444);
MODULE_PARM_DESC(initmsg, "the first message, at most 128 bytes");

#include "../mode.h"

static int __init device_init(void)
{
	struct message first = { .len = strlen(initmsg) };
	int err;

	if (first.len > MISC_MESSAGE_MAX) {
		pr_err("initmsg has %zu bytes, at most %d fit\n", first.len, MISC_MESSAGE_MAX);
		return -EINVAL;
	}
	memcpy(first.bytes, initmsg, first.len);
	err = guard_init(&first);
	if (err)
		return err;
	device.mode = mode;
	/* Last: from here on, there are openers. */
	err = misc_register(&device);
	if (err)
		guard_exit();
	return err;
}

static void __exit device_exit(void)
{
	misc_deregister(&device);
	guard_exit();
}

module_init(device_init);
module_exit(device_exit);

MODULE_AUTHOR("rlkm");
MODULE_LICENSE("GPL");

#endif /* _C_MISC_DEVICE_H */
