/*
 * config_load - reads files into a configuration, or reports all problems
 *
 * A configuration is made from the main file, the included files, the templates, the environment
 * and the defaults. A single problem makes the load fail.
 */
#ifndef LEAFD_CONFIG_CONFIG_LOAD_H
#define LEAFD_CONFIG_CONFIG_LOAD_H

#include "config/config.h"
#include "config/config_problems.h"

/*
 * config_load - reads the configuration that starts with `file`
 *
 * `only_looks` is for commands that only read what is on disk: files and programs for the CA and
 * for consumers may be missing or unreadable. Files that other users may write or exchange are
 * refused (config_trust). Returns a configuration with one reference, or NULL with `problems`
 * filled. Blocks: reads files, and asks the name service for owners.
 */
struct config *config_load(const char *file, bool only_looks, struct config_problems *problems);

/*
 * config_load_source - only the source_digest of the configuration that starts with `file`
 *
 * Reads the main file and the included ones, and no values: an error in a value is not found.
 * False with `problems` filled. Blocks on the disk.
 */
bool config_load_source(const char *file, char to[static DIGEST_HEX_BYTES],
                        struct config_problems *problems);

#endif
