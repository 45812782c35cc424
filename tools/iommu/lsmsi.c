// SPDX-License-Identifier: GPL-2.0-only
/*
 * lsmsi: lists IOMMU groups, their devices, and the MSI doorbells mapped for
 * them. See lsmsi.8.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lsmsi.h"

#define VERSION		"1.0"
#define DEFAULT_PERIOD	2.0
#define MIN_PERIOD	0.1
#define MAX_PERIOD	86400.0

struct options {
	bool json;
	double period;		/* seconds, 0 for once */
	const char *root;
	char **names;
	int nr_names;
};

static volatile sig_atomic_t stop;

static const char usage[] =
"usage: lsmsi [--json] [--watch[=SECONDS]] [DEVICE | GROUP]...\n";

static const char help[] =
"\n"
"Lists IOMMU groups with their devices, the domains that have an MSI window,\n"
"and the doorbells mapped there; or only those of the devices (PCI addresses,\n"
"0000:00:02.0 or 00:02.0) and groups (numbers) named.\n"
"\n"
"  -j, --json             print JSON\n"
"  -w, --watch[=SECONDS]  print it again every 2, or SECONDS, until ^C\n"
"      --root=DIRECTORY   read DIRECTORY/sys instead of /sys\n"
"  -h, --help             print this\n"
"  -V, --version          print the version\n"
"\n"
"Status: 0 all went well; 1 wrong usage; 2 cannot read what is needed (not\n"
"root, no debugfs, a kernel without it); 3 a device or group is not there;\n"
"4 cannot write the output.\n";

/* --- options ---------------------------------------------------------------- */

static int wrong_usage(void)
{
	fputs(usage, stderr);
	fputs("lsmsi --help tells more\n", stderr);
	return LSMSI_USAGE;
}

static bool parse_period(const char *text, double *period)
{
	char *rest;

	*period = DEFAULT_PERIOD;
	if (!text)
		return true;
	*period = strtod(text, &rest);
	if (!*rest && *period >= MIN_PERIOD && *period <= MAX_PERIOD)
		return true;
	complain("--watch takes seconds, from %g to %g, not '%s'", MIN_PERIOD,
		 MAX_PERIOD, text);
	return false;
}

static int finish_output(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return LSMSI_OK;
	if (!stop)
		complain("cannot write the output: %s", strerror(errno));
	return LSMSI_UNWRITABLE;
}

static int print_help(void)
{
	fputs(usage, stdout);
	fputs(help, stdout);
	return finish_output();
}

static int print_version(void)
{
	puts("lsmsi " VERSION);
	return finish_output();
}

/* Returns the status to end with, or -1 to go on. */
static int parse_option(int option, struct options *o)
{
	switch (option) {
	case 'j':
		o->json = true;
		return -1;
	case 'w':
		return parse_period(optarg, &o->period) ? -1 : wrong_usage();
	case 'r':
		o->root = optarg;
		return -1;
	case 'h':
		return print_help();
	case 'V':
		return print_version();
	default:
		return wrong_usage();
	}
}

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "watch", optional_argument, NULL, 'w' },
		{ "root", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{}
	};
	int option, status = -1;

	while (status < 0 &&
	       (option = getopt_long(argc, argv, "jw::hV", options, NULL)) >= 0)
		status = parse_option(option, o);
	if (status >= 0)
		return status;
	o->names = argv + optind;
	o->nr_names = argc - optind;
	for (int i = 0; i < o->nr_names; i++) {
		if (!*o->names[i]) {
			complain("a device or group without a name");
			return wrong_usage();
		}
	}
	return -1;
}

/* --- one listing ------------------------------------------------------------ */

static int read_inventory(struct inventory *inv, const struct options *o)
{
	int status = read_sysfs(inv);

	if (!status)
		status = read_debugfs(inv);
	if (!status) {
		inventory_sort(inv);
		status = select_named(inv, o->names, o->nr_names);
	}
	return status;
}

/*
 * Printed only when all was read: never the half of it. Where a signal came
 * meanwhile, something may be missing.
 */
static int list(const struct options *o, const char *heading)
{
	struct inventory inv = { .root = o->root };
	int status = read_inventory(&inv, o);

	if (!status && !stop) {
		fputs(heading, stdout);
		if (o->json)
			print_json(stdout, &inv);
		else
			print_text(stdout, &inv);
		status = finish_output();
	}
	inventory_free(&inv);
	return status;
}

/* --- again and again -------------------------------------------------------- */

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

/*
 * No SA_RESTART: a write that blocks ends, too. If it had written a part and
 * goes on, the second signal ends it the hard way.
 */
static void catch_signals(void)
{
	struct sigaction action = {
		.sa_handler = on_signal, .sa_flags = SA_RESETHAND,
	};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* A signal that comes between the look at @stop and the sleep ends the sleep. */
static void wait_period(double period)
{
	struct timespec left = {
		.tv_sec = (time_t)period,
		.tv_nsec = (long)((period - (time_t)period) * 1e9),
	};
	sigset_t signals, before;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, &before);
	if (!stop)
		ppoll(NULL, 0, &left, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/* A terminal is cleared; elsewhere an empty line stands between listings. */
static void make_heading(char *text, size_t size, bool first,
			 const struct options *o)
{
	time_t now = time(NULL);
	const char *before = "";
	struct tm when;
	size_t length;

	if (isatty(STDOUT_FILENO))
		before = "\033[H\033[2J";
	else if (!first)
		before = "\n";
	length = snprintf(text, size, "%s", before);
	if (!o->json && localtime_r(&now, &when))
		strftime(text + length, size - length, "%F %T\n\n", &when);
}

static int list_repeatedly(const struct options *o)
{
	char heading[64];
	int status = LSMSI_OK;
	bool first = true;

	catch_signals();
	setvbuf(stdout, NULL, _IOFBF, BUFSIZ * 8);	/* no flicker */
	while (!stop && !status) {
		make_heading(heading, sizeof(heading), first, o);
		status = list(o, heading);
		first = false;
		if (!status)
			wait_period(o->period);
	}
	return stop ? LSMSI_OK : status;
}

int main(int argc, char **argv)
{
	struct options o = { .root = "" };
	int status = parse_options(argc, argv, &o);

	if (status >= 0)
		return status;
	return o.period > 0 ? list_repeatedly(&o) : list(&o, "");
}
