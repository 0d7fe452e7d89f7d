/*
 * early_signal - a signal that comes before leafd has read its command line
 *
 * A library to preload. EARLY_SIGNAL is the signal's number.
 */
#include <dlfcn.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>

static int number;

__attribute__((constructor)) static void read_number(void)
{
    const char *text = getenv("EARLY_SIGNAL");

    number = text == NULL ? 0 : atoi(text);
}

int getopt_long(int argc, char *const *argv, const char *letters, const struct option *options,
                int *index)
{
    int (*next)(int, char *const *, const char *, const struct option *, int *) =
        dlsym(RTLD_NEXT, "getopt_long");

    if (number != 0)
        raise(number);
    number = 0;
    return next(argc, argv, letters, options, index);
}
