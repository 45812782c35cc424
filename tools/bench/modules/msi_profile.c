// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a process spends its time in the kernel: a timer looks at what it
 * interrupts. Meant for a machine of one CPU whose time counts instructions.
 * Prints when the module is unloaded, the most frequent first, in thousandths:
 *
 *	profile <thousandths> <function>
 *
 * What runs with interrupts off counts for where they come on again.
 */
#include <linux/hrtimer.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>
#include <asm/irq_regs.h>

#define MAX_SAMPLES	(1U << 20)
#define SHOWN		60

static char *process = "irqs_bench";
module_param(process, charp, 0444);
MODULE_PARM_DESC(process, "name of the process to look at");

static unsigned int interval = 7001;
module_param(interval, uint, 0444);
MODULE_PARM_DESC(interval, "nanoseconds from one look to the next");

struct function {
	char name[KSYM_NAME_LEN];
	unsigned int count;
};

static struct hrtimer timer;
static unsigned long *samples;
static unsigned int taken;

static enum hrtimer_restart look(struct hrtimer *timer)
{
	struct pt_regs *regs = get_irq_regs();

	if (regs && !user_mode(regs) && taken < MAX_SAMPLES &&
	    !strcmp(current->comm, process))
		samples[taken++] = instruction_pointer(regs);
	hrtimer_forward_now(timer, ns_to_ktime(interval));
	return HRTIMER_RESTART;
}

static int by_address(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return x < y ? -1 : x > y;
}

static int by_count(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	return y->count < x->count ? -1 : y->count > x->count;
}

/* Sorted by address, the samples of a function are side by side */
static unsigned int count_functions(struct function *functions, unsigned int max)
{
	char name[KSYM_SYMBOL_LEN];
	unsigned int i, n = 0;

	sort(samples, taken, sizeof(*samples), by_address, NULL);
	for (i = 0; i < taken; i++) {
		sprint_symbol_no_offset(name, samples[i]);
		if (!n || strncmp(functions[n - 1].name, name, KSYM_NAME_LEN - 1)) {
			if (n == max)
				break;
			strscpy(functions[n++].name, name, KSYM_NAME_LEN);
		}
		functions[n - 1].count++;
	}
	sort(functions, n, sizeof(*functions), by_count, NULL);
	return n;
}

static int __init msi_profile_init(void)
{
	if (interval < 1000)
		return -EINVAL;
	samples = vcalloc(MAX_SAMPLES, sizeof(*samples));
	if (!samples)
		return -ENOMEM;
	hrtimer_init(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	timer.function = look;
	hrtimer_start(&timer, ns_to_ktime(interval), HRTIMER_MODE_REL_HARD);
	return 0;
}

static void __exit msi_profile_exit(void)
{
	const unsigned int max = 4096;
	struct function *functions = vcalloc(max, sizeof(*functions));
	unsigned int i, n;

	hrtimer_cancel(&timer);
	if (functions && taken) {
		n = count_functions(functions, max);
		pr_info("profile of %s: %u samples\n", process, taken);
		for (i = 0; i < min(n, SHOWN); i++)
			pr_info("profile %u %s\n",
				functions[i].count * 1000 / taken, functions[i].name);
	}
	vfree(functions);
	vfree(samples);
}

module_init(msi_profile_init);
module_exit(msi_profile_exit);
MODULE_DESCRIPTION("Samples where a process is in the kernel");
MODULE_LICENSE("GPL");
