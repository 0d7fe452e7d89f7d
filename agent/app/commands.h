/*
 * commands - the table of all commands of leafd
 *
 * A new command is a row there and a function in a file of its own. The row has all that parsing,
 * help and completions need.
 */
#ifndef LEAFD_APP_COMMANDS_H
#define LEAFD_APP_COMMANDS_H

#include "app/command_line.h"

/* In the order of the help; ends with {0}. */
extern const struct command commands[];

#endif
