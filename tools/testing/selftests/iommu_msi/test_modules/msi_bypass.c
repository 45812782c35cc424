// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers the two sides of an IRQ bypass again under another token, as a
 * device does that resets itself, and frees them. Loads if all of it was
 * answered as it should be; what is left of them KASAN finds.
 */
#include <linux/irqbypass.h>
#include <linux/module.h>
#include <linux/slab.h>

static int tokens[2];

#define TRY_SIDE(side)							\
static int try_##side(void)						\
{									\
	struct irq_bypass_##side *one, *next;				\
	int i, ret = -ENOMEM;						\
									\
	one = kzalloc(sizeof(*one), GFP_KERNEL);			\
	next = kzalloc(sizeof(*next), GFP_KERNEL);			\
	if (!one || !next)						\
		goto out;						\
	fill_##side(one);						\
	fill_##side(next);						\
									\
	one->token = &tokens[0];					\
	ret = irq_bypass_register_##side(one);				\
	if (ret)							\
		goto out;						\
	one->token = &tokens[1];					\
	ret = irq_bypass_register_##side(one);				\
	irq_bypass_unregister_##side(one);				\
	kfree(one);							\
	one = NULL;							\
	ret = ret == -EBUSY ? 0 : -EBADE;				\
	/* They come to where it was, under either token */		\
	for (i = 0; i < 2 && !ret; i++) {				\
		next->token = &tokens[i];				\
		ret = irq_bypass_register_##side(next);			\
		irq_bypass_unregister_##side(next);			\
	}								\
out:									\
	kfree(one);							\
	kfree(next);							\
	return ret;							\
}

static int add(struct irq_bypass_consumer *consumer,
	       struct irq_bypass_producer *producer)
{
	return 0;
}

static void del(struct irq_bypass_consumer *consumer,
		struct irq_bypass_producer *producer)
{
}

static void fill_producer(struct irq_bypass_producer *producer)
{
}

static void fill_consumer(struct irq_bypass_consumer *consumer)
{
	consumer->add_producer = add;
	consumer->del_producer = del;
}

TRY_SIDE(producer)
TRY_SIDE(consumer)

static int __init msi_bypass_init(void)
{
	return try_producer() ?: try_consumer();
}

static void __exit msi_bypass_exit(void)
{
}

module_init(msi_bypass_init);
module_exit(msi_bypass_exit);
MODULE_DESCRIPTION("Registers IRQ bypass producers and consumers twice");
MODULE_LICENSE("GPL");
