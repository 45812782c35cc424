// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver of QEMU's e1000e that has one MSI-X vector, adds the others one by one and
 * takes them away again, and raises each. It binds if all was as it should be.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/msi.h>
#include <linux/pci.h>

/* Of the 82574L: what has happened, may be said to, is told; and by which vector */
#define ICR		0x00c0
#define ICS		0x00c8
#define IMS		0x00d0
#define IMC		0x00d8
#define IVAR		0x00e4
#define CAUSE_RXQ0	BIT(20)
#define IVAR_RXQ0(n)	((n) | BIT(3))

#define VECTORS		5
#define ROUNDS		10
/* Microseconds: QEMU's lets 128 pass, and 10's then tells once more */
#define THROTTLED	1000

struct vector {
	int irq;
	unsigned int came;
	struct completion once;
};

struct card {
	struct pci_dev *pdev;
	void __iomem *registers;
	struct vector vectors[VECTORS];
	int last;		/* that was raised */
};

static irqreturn_t vector_came(int irq, void *data)
{
	struct vector *vector = data;

	vector->came++;
	complete(&vector->once);
	return IRQ_HANDLED;
}

static int vector_request(struct card *card, int index, int irq)
{
	struct vector *vector = &card->vectors[index];
	int ret = irq < 0 ? irq : request_irq(irq, vector_came, 0, KBUILD_MODNAME, vector);

	if (!ret)
		vector->irq = irq;
	return ret;
}

/* How often others have come, but the last one, which QEMU 10's may raise again late */
static unsigned int others_came(struct card *card, int index)
{
	unsigned int came = 0;
	int i;

	for (i = 0; i < VECTORS; i++)
		if (i != index && i != card->last)
			came += card->vectors[i].came;
	return came;
}

/* The device tells it by this vector, and by no other */
static int vector_raise(struct card *card, int index)
{
	unsigned int before = others_came(card, index), after;
	unsigned long in_time;

	reinit_completion(&card->vectors[index].once);
	writel(IVAR_RXQ0(index), card->registers + IVAR);
	writel(CAUSE_RXQ0, card->registers + IMS);
	writel(CAUSE_RXQ0, card->registers + ICS);
	in_time = wait_for_completion_timeout(&card->vectors[index].once, 10 * HZ);
	writel(CAUSE_RXQ0, card->registers + IMC);
	writel(CAUSE_RXQ0, card->registers + ICR);
	fsleep(THROTTLED);
	after = others_came(card, index);
	card->last = index;
	return in_time && after == before ? 0 : -ETIMEDOUT;
}

static int vector_add(struct card *card, int index, int wanted)
{
	struct msi_map map = pci_msix_alloc_irq_at(card->pdev, wanted, NULL);
	int ret;

	if (map.index < 0)
		return map.index;
	if (map.index != index)
		return -EBADSLT;
	ret = vector_request(card, index, map.virq);
	if (ret)
		pci_msix_free_irq(card->pdev, map);
	return ret;
}

static void vector_remove(struct card *card, int index)
{
	struct vector *vector = &card->vectors[index];
	struct msi_map map = { .index = index, .virq = vector->irq };

	if (!vector->irq)
		return;
	free_irq(vector->irq, vector);
	vector->irq = 0;
	if (index)
		pci_msix_free_irq(card->pdev, map);
}

static int raise_all(struct card *card)
{
	int i, ret = 0;

	for (i = 0; i < VECTORS && !ret; i++)
		if (card->vectors[i].irq)
			ret = vector_raise(card, i);
	return ret;
}

/* From the last to the first, one in the middle anew, and from the first free one on */
static int one_round(struct card *card)
{
	int i, ret = 0;

	for (i = VECTORS - 1; i > 0 && !ret; i--)
		ret = vector_add(card, i, i) ?: raise_all(card);
	if (!ret && pci_msix_alloc_irq_at(card->pdev, MSI_ANY_INDEX, NULL).index >= 0)
		ret = -EOVERFLOW;
	if (!ret) {
		vector_remove(card, 2);
		ret = raise_all(card) ?: vector_add(card, 2, MSI_ANY_INDEX) ?:
		      raise_all(card);
	}
	for (i = 1; i < VECTORS; i++)
		vector_remove(card, i);
	return ret ?: raise_all(card);
}

static int use_vectors(struct card *card)
{
	int i, ret;

	if (!pci_msix_can_alloc_dyn(card->pdev))
		return -EOPNOTSUPP;
	ret = vector_request(card, 0, pci_irq_vector(card->pdev, 0));
	for (i = 0; i < ROUNDS && !ret; i++)
		ret = one_round(card);
	vector_remove(card, 0);
	return ret;
}

static int msi_dynamic_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct card *card = devm_kzalloc(&pdev->dev, sizeof(*card), GFP_KERNEL);
	int i, ret;

	if (!card)
		return -ENOMEM;
	card->pdev = pdev;
	for (i = 0; i < VECTORS; i++)
		init_completion(&card->vectors[i].once);
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	card->registers = pcim_iomap(pdev, 0, 0);
	if (!card->registers)
		return -ENOMEM;
	pci_set_master(pdev);
	ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSIX);
	if (ret < 0)
		return ret;
	ret = use_vectors(card);
	pci_free_irq_vectors(pdev);
	if (ret)
		pci_err(pdev, "vectors that are added: %d\n", ret);
	return ret;
}

/* By driver_override alone */
static const struct pci_device_id msi_dynamic_ids[] = { {} };

static struct pci_driver msi_dynamic_driver = {
	.name = KBUILD_MODNAME,
	.id_table = msi_dynamic_ids,
	.probe = msi_dynamic_probe,
};
module_pci_driver(msi_dynamic_driver);
MODULE_DESCRIPTION("Adds MSI-X vectors to a device and takes them away");
MODULE_LICENSE("GPL");
