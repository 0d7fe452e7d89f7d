/*
 * configuration - config_load, and what the files that a configuration names hold
 *
 * The rooms of config/ know keys and values, those of pki/ know certificates and keys; here both
 * meet, before the first login or vetting runs into a file that is not what its key says.
 */
#ifndef LEAFD_FLOW_CONFIGURATION_H
#define LEAFD_FLOW_CONFIGURATION_H

#include "config/config.h"
#include "config/config_problems.h"

/*
 * configuration_load - reads the configuration that starts with `file`, and the files it names
 *
 * As config_load; refused are besides: files that hold no certificates where they should, a client
 * key that does not fit or that everybody may read, credentials that everybody may write. Gives a
 * configuration with one reference, or NULL with `problems` filled. Blocks.
 */
struct config *configuration_load(const char *file, struct config_problems *problems);

/*
 * configuration_advise - adds what is unwise about these files
 *
 * Credentials that are not there yet or that everybody may read, and certificates that have ended.
 * Blocks: looks at files.
 */
void configuration_advise(const struct config *config, struct config_problems *advice);

#endif
