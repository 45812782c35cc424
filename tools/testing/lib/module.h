/* SPDX-License-Identifier: GPL-2.0-only */
/* The modules of test_modules/, which are next to the test programs */
#ifndef MSI_LIB_MODULE_H
#define MSI_LIB_MODULE_H

/* Both return 0, or a negative errno */
int module_load(const char *name, const char *options);
int module_unload(const char *name);

#endif
