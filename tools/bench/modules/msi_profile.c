// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a process spends its time in the kernel: a timer looks at what it
 * interrupts. Meant for a machine of one CPU whose time counts instructions.
 * Prints when the module is unloaded, the most frequent first, in thousandths:
 *
 *	profile <thousandths> <function>
 *	bench held <lock> 0 <thousandths>
 *
 * The latter for the locks that interrupts of all devices share, as a part of
 * the time of the process: what it holds, another one waits for. What runs with
 * interrupts off counts for where they come on again.
 */
#include <linux/hrtimer.h>
#include <linux/irqdomain.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
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

static char *device;
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "name of the PCI device whose interrupts the process sets up");

static unsigned long lock, unlock;
module_param(lock, ulong, 0444);
MODULE_PARM_DESC(lock, "address of irq_lock_sparse()");
module_param(unlock, ulong, 0444);
MODULE_PARM_DESC(unlock, "address of irq_unlock_sparse()");

struct function {
	char name[KSYM_NAME_LEN];
	unsigned int count;
};

static struct hrtimer timer;
static unsigned long *samples;
static unsigned int taken;

static struct mutex *sparse_lock, *domain_lock;
static unsigned int looks, sparse_held, domain_held;

/* On a machine of one CPU, a lock that is held is the running process's */
static void look_at_locks(void)
{
	looks++;
	sparse_held += mutex_is_locked(sparse_lock);
	domain_held += mutex_is_locked(domain_lock);
}

static enum hrtimer_restart look(struct hrtimer *timer)
{
	struct pt_regs *regs = get_irq_regs();

	if (regs && !strcmp(current->comm, process)) {
		look_at_locks();
		if (!user_mode(regs) && taken < MAX_SAMPLES)
			samples[taken++] = instruction_pointer(regs);
	}
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

static struct task_struct *looking;

static int note_mutex(struct kprobe *probe, struct pt_regs *regs)
{
	if (current == looking)
		sparse_lock = (struct mutex *)regs_get_kernel_argument(regs, 0);
	return 0;
}

/* sparse_irq_lock has no name outside of its file: see which one is taken */
static int find_sparse_lock(void)
{
	struct kprobe probe = {
		.symbol_name = "mutex_lock",
		.pre_handler = note_mutex,
	};
	void (*lock_sparse)(void) = (void *)lock;
	void (*unlock_sparse)(void) = (void *)unlock;
	int ret;

	if (!lock || !unlock)
		return -EINVAL;
	ret = register_kprobe(&probe);
	if (ret)
		return ret;
	looking = current;
	lock_sparse();
	looking = NULL;
	unlock_sparse();
	unregister_kprobe(&probe);
	return sparse_lock ? 0 : -ENOENT;
}

/* Domains above one another have one mutex, the root's */
static int find_domain_lock(void)
{
	struct device *dev = bus_find_device_by_name(&pci_bus_type, NULL, device);
	struct irq_domain *domain;

	if (!dev)
		return -ENODEV;
	domain = dev_get_msi_domain(dev);
	put_device(dev);
	if (!domain)
		return -ENODEV;
	domain_lock = &domain->root->mutex;
	return 0;
}

static int __init msi_profile_init(void)
{
	int ret;

	if (interval < 1000 || !device)
		return -EINVAL;
	ret = find_sparse_lock() ?: find_domain_lock();
	if (ret)
		return ret;
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
	if (looks) {
		pr_info("bench held sparse_irq_lock 0 %u\n",
			sparse_held * 1000 / looks);
		pr_info("bench held irq_domain.mutex 0 %u\n",
			domain_held * 1000 / looks);
	}
	vfree(functions);
	vfree(samples);
}

module_init(msi_profile_init);
module_exit(msi_profile_exit);
MODULE_DESCRIPTION("Samples where a process is in the kernel");
MODULE_LICENSE("GPL");
