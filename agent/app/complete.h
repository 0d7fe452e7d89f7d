/*
 * complete - `leafd complete`: what a shell may complete a word of leafd's command line to
 */
#ifndef LEAFD_APP_COMPLETE_H
#define LEAFD_APP_COMPLETE_H

#include "app/command_line.h"

/*
 * complete_print - prints the completions of the last word, a line "WORD:DESCRIPTION" or "WORD"
 * each
 *
 * `words` are those after the program's name; the last one is the word under the cursor, which may
 * be "". Commands and options come from the table, names of certificates from the configuration
 * that the line names. Nothing is printed where the shell completes paths, and no error. Blocks: it
 * may read the configuration.
 */
void complete_print(const struct command *commands, const char *const *words, size_t count);

#endif
