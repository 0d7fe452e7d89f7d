/*
 * configuration - config_load, and what the files that a configuration names hold
 *
 * The rooms of config/ know keys and values, those of pki/ know certificates and keys; here both
 * meet, before the first login or vetting runs into a file that is not what its key says.
 */
#ifndef LEAFD_APP_CONFIGURATION_H
#define LEAFD_APP_CONFIGURATION_H

#include "config/config.h"
#include "config/config_problems.h"

/*
 * configuration_load - reads the configuration that starts with `file`, and the files it names
 *
 * As config_load; refused are besides: files that hold no certificates where they should, and a
 * client key that does not fit or that everybody may read. Gives a configuration with one
 * reference, or NULL with `problems` filled. Blocks.
 */
struct config *configuration_load(const char *file, struct config_problems *problems);

/*
 * configuration_await - the same, but waits up to `most_s` seconds for the token of ${k8s...}
 *
 * The kubelet may write it, or its owner be set, a moment later: that is class local, told once,
 * and looked at again every few seconds. NULL with `problems` filled for anything else, or when the
 * time is over; NULL with *ret_told_to_end when SIGTERM or SIGINT came meanwhile. Blocks.
 */
struct config *configuration_await(const char *file, uint64_t most_s,
                                   struct config_problems *problems, bool *ret_told_to_end);

/*
 * configuration_advise - adds what is unwise about these files
 *
 * Credentials that are not there yet or that everybody may read, mounts that others may write,
 * certificates that have ended, and a ca_spread that is raised. Blocks: looks at files.
 */
void configuration_advise(const struct config *config, struct config_problems *advice);

#endif
