/*
 * reload_answer - whether what a consumer answered to a line means that it did it
 *
 * Of HAProxy's runtime API the lines set, commit and abort ssl {cert, ca-file, crl-file} NAME are
 * known, and must be answered with the words of success (management guide, 9.3). HAProxy has one
 * transaction for all certificates: 2.6 to 3.2 put what is set for B into one that is open for A,
 * and say so only by the name in the answer. Of any other line it is only known how failures begin.
 */
#ifndef LEAFD_RELOAD_RELOAD_ANSWER_H
#define LEAFD_RELOAD_RELOAD_ANSWER_H

#include "base/arena.h"

#include <stdbool.h>

/*
 * reload_answer_problem - NULL if the line was carried out, else what to tell about it
 *
 * `line` is what was sent, `answer` all that came back.
 */
const char *reload_answer_problem(const char *line, const char *answer);

/* reload_answer_subject - the words of the line that may be told to people: no value of it */
const char *reload_answer_subject(const char *line);

/*
 * reload_answer_undo - the line that takes back a failed one, in the arena; NULL if there is none
 *
 * abort ssl ... for the transaction that the line was about, or for the one that the answer names.
 * NULL as well if memory ran out: the next try begins with a set, which replaces what is left.
 */
const char *reload_answer_undo(struct arena *arena, const char *line, const char *answer);

#endif
