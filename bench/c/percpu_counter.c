// SPDX-License-Identifier: GPL-2.0
/*
 * The twin of modules/percpu_counter.rs: counters that each CPU has for itself.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/seqlock.h>
#include <linux/smpboot.h>
#include <linux/uaccess.h>

#include "../../include/uapi/percpu_counter.h"

static bool threads = true;
module_param(threads, bool, 0444);
MODULE_PARM_DESC(threads, "have a thread on each CPU that counts");

static int set_step(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 1, 10000);
}

static const struct kernel_param_ops step_ops = {
	.set = set_step,
	.get = param_get_uint,
};

static unsigned int step_ms = 100;
module_param_cb(step_ms, &step_ops, &step_ms, 0644);
__MODULE_PARM_TYPE(step_ms, "uint");
MODULE_PARM_DESC(step_ms, "milliseconds between two steps of a thread, 1 to 10000");

#include "mode.h"

struct counts {
	u64 events;
	u64 bytes;
};

/* Written by its own CPU alone, with preemption off; a reader sees both numbers agree. */
struct counter {
	seqcount_t seq;
	struct counts ever;
};

static DEFINE_PER_CPU(struct counter, counters);

/* What each CPU had at the last reset, as nobody may write to what is another CPU's. */
static DEFINE_PER_CPU(struct counts, zero);
static DEFINE_MUTEX(zero_lock);

/* Counts an event on this CPU. Preemption is off. */
static void count_event(u64 bytes)
{
	struct counter *counter = this_cpu_ptr(&counters);

	write_seqcount_begin(&counter->seq);
	counter->ever.events++;
	counter->ever.bytes += bytes;
	write_seqcount_end(&counter->seq);
}

static struct counts counted_ever(unsigned int cpu)
{
	const struct counter *counter = per_cpu_ptr(&counters, cpu);
	struct counts ever;
	unsigned int seq;

	do {
		seq = read_seqcount_begin(&counter->seq);
		ever = counter->ever;
	} while (read_seqcount_retry(&counter->seq, seq));
	return ever;
}

/* Since the last reset; zero_lock is held. */
static struct counts counted(unsigned int cpu)
{
	const struct counts *from = per_cpu_ptr(&zero, cpu);
	struct counts counts = counted_ever(cpu);

	counts.events -= from->events;
	counts.bytes -= from->bytes;
	return counts;
}

static void add(struct counts *total, const struct counts *counts)
{
	total->events += counts->events;
	total->bytes += counts->bytes;
}

static int show(struct seq_file *table, void *unused)
{
	struct counts counts, total = {};
	unsigned int cpu;

	mutex_lock(&zero_lock);
	for_each_possible_cpu(cpu) {
		counts = counted(cpu);
		add(&total, &counts);
		seq_printf(table, "cpu %u: events %llu, bytes %llu\n", cpu, counts.events,
			   counts.bytes);
	}
	mutex_unlock(&zero_lock);
	seq_printf(table, "total: events %llu, bytes %llu\n", total.events, total.bytes);
	return 0;
}

static int counter_open(struct inode *inode, struct file *file)
{
	/* The miscdevice, which seq_file does not expect there. */
	file->private_data = NULL;
	return single_open(file, show, NULL);
}

/* Reads the bytes, though nobody wants them: a bad pointer is an error. */
static ssize_t counter_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	size_t done, part;
	u8 chunk[512];

	for (done = 0; done < len; done += part) {
		if (fatal_signal_pending(current))
			return -EINTR;
		part = min(len - done, sizeof(chunk));
		if (copy_from_user(chunk, buf + done, part))
			return -EFAULT;
	}
	if (len) {
		preempt_disable();
		count_event(len);
		preempt_enable();
	}
	return len;
}

static int get_cpu_counts(struct percpu_counter_cpu __user *arg)
{
	struct percpu_counter_cpu answer;
	struct counts counts;

	if (copy_from_user(&answer, arg, sizeof(answer)))
		return -EFAULT;
	if (answer.cpu >= nr_cpu_ids || !cpu_possible(answer.cpu))
		return -ENXIO;
	mutex_lock(&zero_lock);
	counts = counted(answer.cpu);
	mutex_unlock(&zero_lock);
	answer.online = cpu_online(answer.cpu);
	answer.events = counts.events;
	answer.bytes = counts.bytes;
	return copy_to_user(arg, &answer, sizeof(answer)) ? -EFAULT : 0;
}

static int get_total(struct percpu_counter_total __user *arg)
{
	struct percpu_counter_total answer = { .cpus = nr_cpu_ids };
	struct counts counts, total = {};
	unsigned int cpu;

	mutex_lock(&zero_lock);
	for_each_possible_cpu(cpu) {
		counts = counted(cpu);
		add(&total, &counts);
	}
	mutex_unlock(&zero_lock);
	answer.events = total.events;
	answer.bytes = total.bytes;
	return copy_to_user(arg, &answer, sizeof(answer)) ? -EFAULT : 0;
}

/* What is counted meanwhile is counted before that or after it. */
static int reset(const struct file *file)
{
	unsigned int cpu;

	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	mutex_lock(&zero_lock);
	for_each_possible_cpu(cpu)
		*per_cpu_ptr(&zero, cpu) = counted_ever(cpu);
	mutex_unlock(&zero_lock);
	return 0;
}

static long counter_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case PERCPU_COUNTER_GET_CPU:
		return get_cpu_counts((void __user *)arg);
	case PERCPU_COUNTER_GET_TOTAL:
		return get_total((void __user *)arg);
	case PERCPU_COUNTER_RESET:
		return reset(file);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations counter_fops = {
	.owner = THIS_MODULE,
	.open = counter_open,
	.release = single_release,
	.read = seq_read,
	.write = counter_write,
	.llseek = seq_lseek,
	.unlocked_ioctl = counter_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice counter_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = KBUILD_MODNAME,
	.fops = &counter_fops,
};

static DEFINE_PER_CPU(struct task_struct *, steppers);

static int always(unsigned int cpu)
{
	return 1;
}

/* One step; called again until the thread is to stop, or its CPU goes offline. */
static void step(unsigned int cpu)
{
	set_current_state(TASK_INTERRUPTIBLE);
	if (!kthread_should_stop() && !kthread_should_park())
		schedule_timeout(msecs_to_jiffies(READ_ONCE(step_ms)));
	__set_current_state(TASK_RUNNING);
	if (kthread_should_stop() || kthread_should_park())
		return;
	preempt_disable();
	/* A CPU that is about to go offline sends its threads elsewhere at the last moment. */
	if (smp_processor_id() == cpu)
		count_event(0);
	preempt_enable();
}

static struct smp_hotplug_thread stepper = {
	.store = &steppers,
	.thread_should_run = always,
	.thread_fn = step,
	.thread_comm = KBUILD_MODNAME "/%u",
};

static int __init counter_init(void)
{
	unsigned int cpu;
	int err;

	for_each_possible_cpu(cpu)
		seqcount_init(&per_cpu_ptr(&counters, cpu)->seq);
	if (threads) {
		err = smpboot_register_percpu_thread(&stepper);
		if (err)
			return err;
	}
	counter_device.mode = mode;
	/* Last: from here on, there are openers. */
	err = misc_register(&counter_device);
	if (err && threads)
		smpboot_unregister_percpu_thread(&stepper);
	return err;
}

static void __exit counter_exit(void)
{
	misc_deregister(&counter_device);
	if (threads)
		smpboot_unregister_percpu_thread(&stepper);
}

module_init(counter_init);
module_exit(counter_exit);

MODULE_AUTHOR("rlkm");
MODULE_DESCRIPTION("Counters that each CPU has for itself");
MODULE_LICENSE("GPL");
