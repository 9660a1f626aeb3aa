// SPDX-License-Identifier: GPL-2.0
/*
 * The twin of modules/ksort.rs: sorts numbers, by the kernel's own sort(). It
 * has that algorithm alone, and a sort cannot be interrupted.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>

#include "../../include/uapi/ksort.h"

#include "mode.h"

static int set_max(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 1, 256);
}

static const struct kernel_param_ops max_ops = {
	.set = set_max,
	.get = param_get_uint,
};

static unsigned int max_mib = 64;
module_param_cb(max_mib, &max_ops, &max_mib, 0644);
__MODULE_PARM_TYPE(max_mib, "uint");
MODULE_PARM_DESC(max_mib, "the largest set of a session, in MiB, 1 to 256");

/* What an open file has; all of it is guarded by the lock. */
struct session {
	struct mutex lock;	/* for all of this */
	void *set;
	size_t len;		/* in bytes, of which the last may be a part of a number */
	size_t room;
	u32 type;
	u32 order;
	u32 algorithm;
	bool was_read;		/* the next write starts a new set */
	bool sorted;		/* by the type and the order below */
	u32 sorted_type;
	u32 sorted_order;
	u64 copy_in_ns;
	struct ksort_stats stats;
};

#define COMPARE(type)								\
	static int compare_##type(const void *a, const void *b)			\
	{									\
		const type x = *(const type *)a, y = *(const type *)b;		\
										\
		return (x > y) - (x < y);					\
	}									\
	static int compare_##type##_down(const void *a, const void *b)		\
	{									\
		return compare_##type(b, a);					\
	}

COMPARE(s32)
COMPARE(u32)
COMPARE(s64)
COMPARE(u64)

static const struct {
	size_t size;
	cmp_func_t compare[2];	/* by the order */
} types[] = {
	[KSORT_I32] = { sizeof(s32), { compare_s32, compare_s32_down } },
	[KSORT_U32] = { sizeof(u32), { compare_u32, compare_u32_down } },
	[KSORT_I64] = { sizeof(s64), { compare_s64, compare_s64_down } },
	[KSORT_U64] = { sizeof(u64), { compare_u64, compare_u64_down } },
};

static u64 ns_since(ktime_t start)
{
	return ktime_to_ns(ktime_sub(ktime_get(), start));
}

static int ksort_open(struct inode *inode, struct file *file)
{
	struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (!session)
		return -ENOMEM;
	mutex_init(&session->lock);
	file->private_data = session;
	return 0;
}

static int ksort_release(struct inode *inode, struct file *file)
{
	struct session *session = file->private_data;

	mutex_destroy(&session->lock);
	kvfree(session->set);
	kfree(session);
	return 0;
}

static int sort_set(struct session *session)
{
	size_t size = types[session->type].size;
	ktime_t start;

	if (session->sorted && session->sorted_type == session->type &&
	    session->sorted_order == session->order)
		return 0;
	if (session->len % size)
		return -EINVAL;
	start = ktime_get();
	sort(session->set, session->len / size, size, types[session->type].compare[session->order],
	     NULL);
	session->stats = (struct ksort_stats) {
		.elements = session->len / size,
		.copy_in_ns = session->copy_in_ns,
		.sort_ns = ns_since(start),
		.algorithm = KSORT_HEAP,
		.workers = 1,
	};
	session->sorted = true;
	session->sorted_type = session->type;
	session->sorted_order = session->order;
	return 0;
}

static ssize_t ksort_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct session *session = file->private_data;
	ktime_t start;
	ssize_t ret;

	if (!len)
		return 0;
	if (mutex_lock_interruptible(&session->lock))
		return -ERESTARTSYS;
	ret = sort_set(session);
	if (ret)
		goto unlock;
	start = ktime_get();
	ret = simple_read_from_buffer(buf, len, pos, session->set, session->len);
	session->stats.copy_out_ns += ns_since(start);
	if (ret >= 0)
		session->was_read = true;
unlock:
	mutex_unlock(&session->lock);
	return ret;
}

/* Adds to the set; a set that was read stays until the new one is there. */
static int append(struct session *session, const char __user *buf, size_t len)
{
	size_t max = (size_t)READ_ONCE(max_mib) << 20;
	size_t old = session->was_read ? 0 : session->len;
	void *set = session->set;
	size_t room = session->room;
	ktime_t start;

	if (len > max || old > max - len)
		return -EFBIG;
	if (session->was_read || old + len > room) {
		/* Twice as much as there was, so that small writes need not all make room. */
		room = clamp(2 * old, old + len, max);
		set = kvmalloc(room, GFP_KERNEL);
		if (!set && room > old + len) {
			room = old + len;
			set = kvmalloc(room, GFP_KERNEL);
		}
		if (!set)
			return -ENOMEM;
		memcpy(set, session->set, old);
	}
	start = ktime_get();
	if (copy_from_user(set + old, buf, len)) {
		if (set != session->set)
			kvfree(set);
		return -EFAULT;
	}
	session->copy_in_ns = (old ? session->copy_in_ns : 0) + ns_since(start);
	if (set != session->set) {
		kvfree(session->set);
		session->set = set;
		session->room = room;
	}
	session->len = old + len;
	session->was_read = false;
	session->sorted = false;
	return 0;
}

static ssize_t ksort_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	struct session *session = file->private_data;
	int err;

	if (!len)
		return 0;
	if (mutex_lock_interruptible(&session->lock))
		return -ERESTARTSYS;
	err = append(session, buf, len);
	mutex_unlock(&session->lock);
	if (err)
		return err;
	*pos = 0;
	return len;
}

static int set_type(struct session *session, u32 type)
{
	if (type >= ARRAY_SIZE(types))
		return -EINVAL;
	if (type != session->type && session->len)
		return -EBUSY;
	session->type = type;
	return 0;
}

static int set_order(struct session *session, u32 order)
{
	if (order > KSORT_DOWN)
		return -EINVAL;
	session->order = order;
	return 0;
}

static int set_algorithm(struct session *session, u32 algorithm)
{
	if (algorithm > KSORT_HEAP)
		return -EINVAL;
	session->algorithm = algorithm;
	return 0;
}

static long ksort_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct session *session = file->private_data;
	u32 __user *number = (u32 __user *)arg;
	u32 value = 0;
	long ret;

	if (_IOC_DIR(cmd) == _IOC_WRITE && get_user(value, number))
		return -EFAULT;
	if (mutex_lock_interruptible(&session->lock))
		return -ERESTARTSYS;
	switch (cmd) {
	case KSORT_GET_TYPE:
		ret = put_user(session->type, number);
		break;
	case KSORT_SET_TYPE:
		ret = set_type(session, value);
		break;
	case KSORT_GET_ORDER:
		ret = put_user(session->order, number);
		break;
	case KSORT_SET_ORDER:
		ret = set_order(session, value);
		break;
	case KSORT_GET_ALGORITHM:
		ret = put_user(session->algorithm, number);
		break;
	case KSORT_SET_ALGORITHM:
		ret = set_algorithm(session, value);
		break;
	case KSORT_GET_STATS:
		ret = copy_to_user((void __user *)arg, &session->stats, sizeof(session->stats)) ?
		      -EFAULT : 0;
		break;
	default:
		ret = -ENOTTY;
	}
	mutex_unlock(&session->lock);
	return ret;
}

static const struct file_operations ksort_fops = {
	.owner = THIS_MODULE,
	.open = ksort_open,
	.release = ksort_release,
	.read = ksort_read,
	.write = ksort_write,
	.llseek = no_seek_end_llseek,
	.unlocked_ioctl = ksort_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice ksort_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = KBUILD_MODNAME,
	.fops = &ksort_fops,
};

static int __init ksort_init(void)
{
	ksort_device.mode = mode;
	return misc_register(&ksort_device);
}

static void __exit ksort_exit(void)
{
	misc_deregister(&ksort_device);
}

module_init(ksort_init);
module_exit(ksort_exit);

MODULE_AUTHOR("rlkm");
MODULE_DESCRIPTION("A device that sorts numbers");
MODULE_LICENSE("GPL");
