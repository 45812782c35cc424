// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does what a kernel with KASAN, lockdep and kmemleak must tell of, once, when it
 * is loaded: insmod boot_fault.ko fault=leak|use-after-free|lock-order
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

static char *fault = "";
module_param(fault, charp, 0);
MODULE_PARM_DESC(fault, "leak, use-after-free or lock-order");

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

static int leak(void)
{
	/* Several: a stale pointer in a register or on a stack may save one */
	for (int i = 0; i < 16; i++)
		if (!kmalloc(100, GFP_KERNEL))
			return -ENOMEM;
	return 0;
}

static int use_after_free(void)
{
	char *byte = kmalloc(100, GFP_KERNEL);

	if (!byte)
		return -ENOMEM;
	OPTIMIZER_HIDE_VAR(byte);
	kfree(byte);
	return READ_ONCE(*byte) ? 0 : 0;
}

static int lock_order(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
	return 0;
}

static int __init boot_fault_init(void)
{
	if (!strcmp(fault, "leak"))
		return leak();
	if (!strcmp(fault, "use-after-free"))
		return use_after_free();
	if (!strcmp(fault, "lock-order"))
		return lock_order();
	pr_err("boot_fault: fault=%s is not leak, use-after-free or lock-order\n", fault);
	return -EINVAL;
}
module_init(boot_fault_init);

static void __exit boot_fault_exit(void)
{
}
module_exit(boot_fault_exit);

MODULE_DESCRIPTION("A fault that the kernel must tell of");
MODULE_LICENSE("GPL");
