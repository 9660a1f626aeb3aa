// SPDX-License-Identifier: GPL-2.0
/* The twin of hardened.rs. */
#include <linux/bitops.h>
#include <linux/cpumask.h>
#include <linux/module.h>
#include <linux/string.h>

static noinline void fill(u8 *bytes, size_t len, size_t n)
{
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = rol8(bytes[i] ^ n, 3);
}

static noinline void add(size_t *sum, size_t n)
{
	*sum = *sum * 31 ^ n;
}

static noinline size_t array(size_t n)
{
	u8 bytes[40];

	memset(bytes, 1, sizeof(bytes));
	fill(bytes, sizeof(bytes), n);
	fill(bytes, sizeof(bytes), n + 1);
	return bytes[n & 31];
}

static noinline size_t address(size_t n)
{
	size_t sum = n;

	add(&sum, n);
	add(&sum, ~n);
	return sum;
}

static noinline size_t frame(size_t n)
{
	u8 bytes[2000];

	memset(bytes, 1, sizeof(bytes));
	fill(bytes, sizeof(bytes), n);
	fill(bytes, sizeof(bytes), n + 1);
	return bytes[n & 1023];
}

static noinline size_t leaf(size_t n)
{
	return n * 7;
}

static noinline size_t cases(size_t n)
{
	switch (n) {
	case 0:
		return leaf(3);
	case 1:
		return array(5) + 9;
	case 2:
		return address(7) ^ 1;
	case 3:
		return frame(11);
	case 4:
		return leaf(n) ^ array(2);
	case 5:
		return leaf(1) * address(3);
	case 6:
		return n << 9;
	default:
		return 0;
	}
}

static size_t (*const any[])(size_t) = { leaf, array, address, frame };

static noinline size_t pointer(size_t n)
{
	return any[n & 3](n) + 1;
}

static noinline size_t tail(size_t n)
{
	return any[n & 3](n);
}

static int __init hardened_init(void)
{
	size_t n = num_online_cpus();

	pr_info("%zu\n", cases(n) + pointer(n) + tail(n));
	return 0;
}

static void __exit hardened_exit(void)
{
}

module_init(hardened_init);
module_exit(hardened_exit);

MODULE_AUTHOR("rlkm");
MODULE_DESCRIPTION("Is looked at");
MODULE_LICENSE("GPL");
