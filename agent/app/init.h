/*
 * init - `leafd init`: a first configuration, and the commands for the CA that go with it
 *
 * Both are texts with a few answers filled in, which come from options, or from a person at the
 * terminal. No secret is among them.
 */
#ifndef LEAFD_APP_INIT_H
#define LEAFD_APP_INIT_H

#include "app/command_line.h"
#include "base/text.h"

/*
 * init_command - writes the configuration to options->output, or to standard output
 *
 * The commands are printed to standard output, or to standard error if that has the configuration.
 * An existing file is never overwritten. Returns EXIT_FINE, EXIT_USAGE for a wrong or missing
 * answer, or EXIT_RETRY if the file cannot be written.
 */
int init_command(const struct options *options);

/* init_list_templates - adds the names of the templates that are installed; reads directories */
void init_list_templates(struct arena *arena, struct text_list *names);

#endif
