// SPDX-License-Identifier: GPL-2.0-only
/*
 * How preparing interrupts scales: as many threads as there are devices, each
 * on a CPU and in a domain of its own. All is measured when the module is
 * loaded, a line a result, in operations a millisecond altogether:
 *
 *	bench parallel <what> <threads> <value>
 */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "doorbell.h"

#define MAX_THREADS	4
#define MAX_RUNS	31

static char *devices[MAX_THREADS];
static int device_count;
module_param_array(devices, charp, &device_count, 0444);
MODULE_PARM_DESC(devices, "names of PCI devices that have no driver");

static unsigned int rounds = 20000;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "operations of a thread in a run");

static unsigned int runs = 15;
module_param(runs, uint, 0444);
MODULE_PARM_DESC(runs, "runs, of which the median counts");

struct worker {
	struct target target;
	int (*operation)(struct worker *worker);
	struct completion done;
	struct task_struct *task;
	int ret;
};

static struct worker workers[MAX_THREADS];
static DECLARE_WAIT_QUEUE_HEAD(gate);
static bool started;

/* What the machine itself gives: nothing here is shared */
static int do_nothing(struct worker *worker)
{
	unsigned int i;

	for (i = 0; i < 500; i++)
		barrier();
	return 0;
}

/* A doorbell that is mapped: most vectors of most devices */
static int do_prepare(struct worker *worker)
{
	struct msi_desc desc = { .dev = worker->target.dev };
	int ret = desc_prepare(&desc, nth(0));

	if (!ret)
		desc_release(&desc);
	return ret;
}

static int run_worker(void *data)
{
	struct worker *worker = data;
	unsigned int i;

	wait_event(gate, READ_ONCE(started));
	for (i = 0; !worker->ret && i < rounds; i++)
		worker->ret = worker->operation(worker);
	complete(&worker->done);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static int start(struct worker *worker, unsigned int cpu,
		 int (*operation)(struct worker *worker))
{
	struct task_struct *task = kthread_create(run_worker, worker, "bench/%u", cpu);

	if (IS_ERR(task))
		return PTR_ERR(task);
	worker->ret = 0;
	worker->operation = operation;
	init_completion(&worker->done);
	kthread_bind(task, cpu);
	worker->task = get_task_struct(task);
	wake_up_process(task);
	return 0;
}

/* One run: the time from the opening of the gate until the last is done */
static int run(unsigned int threads, int (*operation)(struct worker *worker),
	       u64 *ns)
{
	unsigned int i, count = 0;
	int ret = 0;
	u64 begin;

	WRITE_ONCE(started, false);
	while (!ret && count < threads) {
		ret = start(&workers[count], count, operation);
		if (!ret)
			count++;
	}
	schedule_timeout_uninterruptible(2);	/* all have come to the gate */
	begin = ktime_get_ns();
	WRITE_ONCE(started, true);
	wake_up_all(&gate);
	for (i = 0; i < count; i++)
		wait_for_completion(&workers[i].done);
	*ns = ktime_get_ns() - begin;
	for (i = 0; i < count; i++) {
		kthread_stop_put(workers[i].task);
		ret = ret ?: workers[i].ret;
	}
	return ret;
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static int bench(const char *what, unsigned int threads,
		 int (*operation)(struct worker *worker))
{
	u64 ns[MAX_RUNS];
	unsigned int i;
	int ret;

	for (i = 0; i < runs; i++) {
		ret = run(threads, operation, &ns[i]);
		if (ret)
			return ret;
	}
	sort(ns, runs, sizeof(ns[0]), compare, NULL);
	pr_info("bench parallel %s %u %llu\n", what, threads,
		(u64)threads * rounds * NSEC_PER_MSEC / ns[runs / 2]);
	return 0;
}

static int bench_all(void)
{
	unsigned int threads, i;
	int ret = 0;

	/* One more reference each, so that nothing is mapped or unmapped */
	struct msi_desc *held __free(kfree) =
		kcalloc(device_count, sizeof(*held), GFP_KERNEL);
	if (!held)
		return -ENOMEM;

	for (i = 0; !ret && i < device_count; i++) {
		held[i].dev = workers[i].target.dev;
		ret = desc_prepare(&held[i], nth(0));
	}
	for (threads = 1; !ret && threads <= device_count; threads *= 2)
		ret = bench("floor", threads, do_nothing) ?:
		      bench("prepare", threads, do_prepare);
	while (i--)
		desc_release(&held[i]);
	return ret;
}

static int __init msi_parallel_init(void)
{
	int opened = 0, ret = 0;

	if (!device_count || device_count > num_online_cpus() || !prepare ||
	    !runs || runs > MAX_RUNS || !rounds)
		return -EINVAL;
	for (; !ret && opened < device_count; opened++) {
		ret = target_open(&workers[opened].target, devices[opened]);
		if (ret)
			break;
	}
	if (!ret)
		ret = bench_all();
	while (opened--)
		target_close(&workers[opened].target);
	return ret;
}

static void __exit msi_parallel_exit(void)
{
}

module_init(msi_parallel_init);
module_exit(msi_parallel_exit);
MODULE_DESCRIPTION("Measures how preparing MSIs scales");
MODULE_LICENSE("GPL");
