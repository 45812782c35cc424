// SPDX-License-Identifier: GPL-2.0-only
/*
 * One call of a kernel function fails, without being made: the nth from when
 * that is written to the parameter, of those by one process.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched.h>

static char *function;
module_param(function, charp, 0444);
MODULE_PARM_DESC(function, "name of the function");

static long returns;
module_param(returns, long, 0444);
MODULE_PARM_DESC(returns, "what it returns instead");

static int process;
module_param(process, int, 0444);
MODULE_PARM_DESC(process, "thread group that calls it");

static int nth;
module_param(nth, int, 0644);
MODULE_PARM_DESC(nth, "which call fails: counts down to 0, which is none");

/* At the first instruction: the return address is where the call left it */
static int step_pre_handler(struct kprobe *probe, struct pt_regs *regs)
{
	if (current->tgid != process || !nth || --nth)
		return 0;
	regs_set_return_value(regs, returns);
	instruction_pointer_set(regs, procedure_link_pointer(regs));
	return 1;
}
NOKPROBE_SYMBOL(step_pre_handler);

static struct kprobe probe = { .pre_handler = step_pre_handler };

static int __init msi_step_init(void)
{
	probe.symbol_name = function;
	return register_kprobe(&probe);
}

static void __exit msi_step_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(msi_step_init);
module_exit(msi_step_exit);
MODULE_DESCRIPTION("Lets one call of a kernel function fail");
MODULE_LICENSE("GPL");
