/*
 * configuration - loads the configuration and checks the content of the files that it names
 *
 * config/ knows keys and values, pki/ knows certificates and private keys. This file brings both
 * together, so that a wrong file is reported before the first login or vetting fails on it.
 */
#ifndef LEAFD_APP_CONFIGURATION_H
#define LEAFD_APP_CONFIGURATION_H

#include "config/config.h"
#include "config/config_problems.h"

/*
 * configuration_load - reads the configuration that starts with `file`, and the files it names
 *
 * As config_load. It also refuses certificate files without certificates, and a client key that
 * does not belong to its certificate or that all users may read. Gives a configuration with one
 * reference, or NULL with `problems` filled. Blocks.
 */
struct config *configuration_load(const char *file, struct config_problems *problems);

/*
 * configuration_await - the same, but waits up to `most_s` seconds for the token of ${k8s...}
 *
 * The kubelet may write the token, or set its owner, a moment later: that failure is class local,
 * is logged once, and is retried every few seconds. NULL with `problems` filled for any other
 * failure, or when the time is over; NULL with *ret_told_to_end set if SIGTERM or SIGINT came
 * meanwhile. Blocks.
 */
struct config *configuration_await(const char *file, uint64_t most_s,
                                   struct config_problems *problems, bool *ret_told_to_end);

/*
 * configuration_advise - adds advice on these files
 *
 * On credentials that do not exist yet or that all users may read, mounts that others may write,
 * expired certificates, and a ca_spread that is raised. Blocks: it reads files.
 */
void configuration_advise(const struct config *config, struct config_problems *advice);

#endif
