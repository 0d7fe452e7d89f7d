/*
 * config_load - from a file to a configuration, or to everything that is wrong with it
 *
 * The main file, the files it includes, the templates its certificates name, the environment and
 * the defaults become one struct config. Nothing is half right: one problem, and there is no
 * configuration.
 */
#ifndef LEAFD_CONFIG_CONFIG_LOAD_H
#define LEAFD_CONFIG_CONFIG_LOAD_H

#include "config/config.h"
#include "config/config_problems.h"

/*
 * config_load - reads the configuration that starts with `file`
 *
 * With `only_looks` it is for a command that looks at what is on disk: files and programs that it
 * names for the CA and for consumers may be missing, or not be for this user to read.
 * Files that others may write, or exchange, are refused: config_trust.
 * Gives a configuration with one reference, or NULL with `problems` filled. Blocks: reads files and
 * asks the name service for the owners that file lines name.
 */
struct config *config_load(const char *file, bool only_looks, struct config_problems *problems);

#endif
