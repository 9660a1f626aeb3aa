// SPDX-License-Identifier: GPL-2.0
/*
 * The twin of modules/simrupt.rs: a simulated interrupt source.
 *
 *  timer (irqs off) --> ring --> work --> fifo --> read(2)
 *        `-- tasklet ------------^          `-- wait queue
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../../include/uapi/simrupt.h"

#define RING_BYTES 1024
#define FIFO_BYTES 4096

static int set_delay(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 1, 10000);
}

static const struct kernel_param_ops delay_ops = {
	.set = set_delay,
	.get = param_get_uint,
};

static unsigned int delay_ms = 100;
module_param_cb(delay_ms, &delay_ops, &delay_ms, 0644);
__MODULE_PARM_TYPE(delay_ms, "uint");
MODULE_PARM_DESC(delay_ms, "milliseconds between two interrupts, 1 to 10000");

static unsigned int period_us;
module_param(period_us, uint, 0444);
MODULE_PARM_DESC(period_us, "if not 0: the same in microseconds, 10 to 1000000, by a high-resolution timer");

static bool log_stages = true;
module_param_named(log, log_stages, bool, 0644);
MODULE_PARM_DESC(log, "print a line at each stage of the pipeline");

/* Prints a stage of the pipeline and the CPU it is on, if `log` is set. */
#define log_stage(fmt, ...)								\
	do {										\
		if (READ_ONCE(log_stages))						\
			pr_info("[CPU#%d] " fmt "\n", raw_smp_processor_id(),		\
				##__VA_ARGS__);						\
	} while (0)

/* From the handler to the work: one writer and one reader need no lock. */
static DEFINE_KFIFO(ring, u8, RING_BYTES);

/* Lock order: fifo_lock, then stats_lock. With fifo_lock held, stats agree with the fifo. */
static DEFINE_KFIFO(fifo, u8, FIFO_BYTES);
static DEFINE_SPINLOCK(fifo_lock);
static struct simrupt_stats stats;
static DEFINE_SPINLOCK(stats_lock);
static DECLARE_WAIT_QUEUE_HEAD(readers);

static struct workqueue_struct *queue;
static struct timer_list timer;
static struct hrtimer hrtimer;
static u8 next_byte = SIMRUPT_FIRST;

static DEFINE_MUTEX(openers_lock);
static unsigned int openers;

static bool has_data(void)
{
	bool has;

	spin_lock(&fifo_lock);
	has = !kfifo_is_empty(&fifo);
	spin_unlock(&fifo_lock);
	return has;
}

/* Adds a byte; the oldest one makes room for it. */
static void put(u8 byte)
{
	spin_lock(&fifo_lock);
	if (!kfifo_put(&fifo, byte)) {
		kfifo_skip(&fifo);
		spin_lock_irq(&stats_lock);
		stats.dropped_fifo++;
		spin_unlock_irq(&stats_lock);
		kfifo_put(&fifo, byte);
	}
	spin_unlock(&fifo_lock);
}

static void work_func(struct work_struct *work)
{
	u8 byte;

	spin_lock_irq(&stats_lock);
	stats.work_runs++;
	spin_unlock_irq(&stats_lock);
	log_stage("simrupt_work_func");
	while (kfifo_get(&ring, &byte))
		put(byte);
	wake_up_all(&readers);
}

static DECLARE_WORK(work, work_func);

static void tasklet_func(struct tasklet_struct *unused)
{
	ktime_t start = ktime_get();
	unsigned long flags;
	s64 ns;

	/* Held to the end, so that what the work says comes after this. */
	spin_lock_irqsave(&stats_lock, flags);
	queue_work(queue, &work);
	ns = ktime_to_ns(ktime_sub(ktime_get(), start));
	stats.tasklet_runs++;
	stats.max_softirq_ns = max_t(u64, stats.max_softirq_ns, ns);
	log_stage("simrupt_tasklet_func in_softirq: %lld usec", ns / NSEC_PER_USEC);
	spin_unlock_irqrestore(&stats_lock, flags);
}

static DECLARE_TASKLET(tasklet, tasklet_func);

/* The top half: what runs when the interrupt comes, with interrupts off. */
static void handle_interrupt(void)
{
	ktime_t start = ktime_get();
	bool dropped;
	s64 ns;

	log_stage("enter timer_handler");
	log_stage("produce data");
	dropped = !kfifo_put(&ring, next_byte);
	next_byte = next_byte == SIMRUPT_LAST ? SIMRUPT_FIRST : next_byte + 1;
	log_stage("scheduling tasklet");
	tasklet_schedule(&tasklet);

	ns = ktime_to_ns(ktime_sub(ktime_get(), start));
	spin_lock(&stats_lock);
	stats.ticks++;
	stats.produced++;
	stats.dropped_ring += dropped;
	stats.max_irq_ns = max_t(u64, stats.max_irq_ns, ns);
	spin_unlock(&stats_lock);
	log_stage("timer_handler in_irq: %lld usec", ns / NSEC_PER_USEC);
}

static unsigned long delay_jiffies(void)
{
	return msecs_to_jiffies(READ_ONCE(delay_ms));
}

static ktime_t period(void)
{
	return ns_to_ktime((u64)period_us * NSEC_PER_USEC);
}

/* Timers run in softirq context; an interrupt handler has interrupts off. */
static void timer_func(struct timer_list *unused)
{
	unsigned long flags;

	local_irq_save(flags);
	handle_interrupt();
	local_irq_restore(flags);
	mod_timer(&timer, jiffies + delay_jiffies());
}

/* A real interrupt: interrupts are off already. */
static enum hrtimer_restart hrtimer_func(struct hrtimer *unused)
{
	handle_interrupt();
	hrtimer_forward_now(&hrtimer, period());
	return HRTIMER_RESTART;
}

static void start_source(void)
{
	if (period_us)
		hrtimer_start(&hrtimer, period(), HRTIMER_MODE_REL_HARD);
	else
		mod_timer(&timer, jiffies + delay_jiffies());
}

/* Stops the source, waits until its last byte has gone all the way, and empties the pipeline. */
static void stop_source(void)
{
	if (period_us)
		hrtimer_cancel(&hrtimer);
	else
		del_timer_sync(&timer);
	tasklet_kill(&tasklet);
	flush_work(&work);

	spin_lock(&fifo_lock);
	spin_lock_irq(&stats_lock);
	stats.dropped_close += kfifo_len(&fifo);
	spin_unlock_irq(&stats_lock);
	kfifo_reset_out(&fifo);
	spin_unlock(&fifo_lock);
}

static int simrupt_open(struct inode *inode, struct file *file)
{
	mutex_lock(&openers_lock);
	if (!openers++)
		start_source();
	mutex_unlock(&openers_lock);
	return stream_open(inode, file);
}

static int simrupt_release(struct inode *inode, struct file *file)
{
	mutex_lock(&openers_lock);
	if (!--openers)
		stop_source();
	mutex_unlock(&openers_lock);
	return 0;
}

/* Takes bytes for a reader, as many as there are and as fit; 0 if there are none. */
static ssize_t take(char __user *buf, size_t len)
{
	unsigned int copied;
	int err;

	len = min_t(size_t, len, FIFO_BYTES);
	for (;;) {
		spin_lock(&fifo_lock);
		pagefault_disable();
		err = kfifo_to_user(&fifo, buf, len, &copied);
		pagefault_enable();
		spin_lock_irq(&stats_lock);
		stats.delivered += copied;
		spin_unlock_irq(&stats_lock);
		spin_unlock(&fifo_lock);
		if (copied || !err)
			return copied;
		/*
		 * The buffer's page is not in memory, and cannot be brought
		 * there with the lock held. Nothing was taken yet.
		 */
		if (fault_in_writeable(buf, 1))
			return -EFAULT;
		if (fatal_signal_pending(current))
			return -EINTR;
	}
}

static ssize_t simrupt_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	ssize_t count;
	int err;

	if (!len)
		return 0;
	for (;;) {
		count = take(buf, len);
		if (count)
			return count;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		/*
		 * Without a lock, so that a sleeper is in nobody's way. Another
		 * reader may have been faster when this one wakes.
		 */
		err = wait_event_interruptible(readers, has_data());
		if (err)
			return err;
	}
}

static __poll_t simrupt_poll(struct file *file, struct poll_table_struct *table)
{
	poll_wait(file, &readers, table);
	return has_data() ? EPOLLIN | EPOLLRDNORM : 0;
}

static long simrupt_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct simrupt_stats copy;

	if (cmd != SIMRUPT_GET_STATS)
		return -ENOTTY;
	spin_lock(&fifo_lock);
	spin_lock_irq(&stats_lock);
	copy = stats;
	spin_unlock_irq(&stats_lock);
	copy.queued = kfifo_len(&fifo);
	spin_unlock(&fifo_lock);
	return copy_to_user((void __user *)arg, &copy, sizeof(copy)) ? -EFAULT : 0;
}

static const struct file_operations simrupt_fops = {
	.owner = THIS_MODULE,
	.open = simrupt_open,
	.release = simrupt_release,
	.read = simrupt_read,
	.poll = simrupt_poll,
	.unlocked_ioctl = simrupt_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = no_llseek,
};

static struct miscdevice simrupt_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = KBUILD_MODNAME,
	.mode = 0600,
	.fops = &simrupt_fops,
};

static int __init simrupt_init(void)
{
	int err;

	if (period_us && (period_us < 10 || period_us > 1000000)) {
		pr_err("period_us must be 0 or from 10 to 1000000\n");
		return -EINVAL;
	}
	timer_setup(&timer, timer_func, 0);
	hrtimer_init(&hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	hrtimer.function = hrtimer_func;
	queue = alloc_workqueue("%s", WQ_UNBOUND, 0, KBUILD_MODNAME);
	if (!queue)
		return -ENOMEM;
	/* Last: from here on, there are openers. */
	err = misc_register(&simrupt_device);
	if (err)
		destroy_workqueue(queue);
	return err;
}

static void __exit simrupt_exit(void)
{
	misc_deregister(&simrupt_device);
	destroy_workqueue(queue);
}

module_init(simrupt_init);
module_exit(simrupt_exit);

MODULE_AUTHOR("rlkm");
MODULE_DESCRIPTION("A simulated interrupt source");
MODULE_LICENSE("GPL");
