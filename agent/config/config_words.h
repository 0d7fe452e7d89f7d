/*
 * config_words - values of several words
 *
 * Words stand apart by blanks; "double quotes" keep blanks in a word. A value is taken apart first
 * and expanded word by word, so that nothing in the environment becomes a further argument.
 */
#ifndef LEAFD_CONFIG_CONFIG_WORDS_H
#define LEAFD_CONFIG_CONFIG_WORDS_H

#include "base/text.h"
#include "config/config_expand.h"

/*
 * words_split_raw - appends the words of `value`, quotes removed, not expanded
 *
 * What is written for a shell (single quotes, in exec also | > && $NAME) is refused: there is none.
 * Returns what is wrong, or NULL.
 */
const char *words_split_raw(struct config_scope *scope, const char *value, struct text_list *words);

/* words_split - appends the words of `value`, expanded; returns what is wrong, or NULL */
const char *words_split(struct config_scope *scope, const char *value, struct text_list *words);

/*
 * words_argv - appends the arguments of exec PROGRAM [ARGUMENT...]
 *
 * The program must be an absolute path that can be executed, and that others cannot write. Returns
 * what is wrong, or NULL.
 */
const char *words_argv(struct config_scope *scope, const struct text_list *words,
                       struct text_list *argv);

#endif
