/*
 * help - what `leafd help` prints, from the table of commands
 */
#ifndef LEAFD_APP_HELP_H
#define LEAFD_APP_HELP_H

#include "app/command_line.h"

/* help_print_all - prints all commands, a line each */
void help_print_all(const struct command *commands);

/* help_print - prints a command, its options and an example */
void help_print(const struct command *command);

#endif
