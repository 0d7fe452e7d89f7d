/*
 * findings - what `leafd check` finds, as lines for people or as JSON for pipelines
 */
#ifndef LEAFD_APP_FINDINGS_H
#define LEAFD_APP_FINDINGS_H

#include "base/posture.h"
#include "config/config.h"
#include "config/config_problems.h"

#include <jansson.h>
#include <stdbool.h>

enum finding_kind {
    FINDING_REFUSED, /* the CA, or leafd, would refuse it */
    FINDING_OPEN,    /* not decided */
    FINDING_NOT_ASKED
};

/* Initialise with {0} and the first two; findings_end ends it. */
struct findings {
    bool is_json;   /* nothing is printed before findings_end */
    bool is_strict; /* warnings are errors */
    json_t *list;
    unsigned errors, warnings, open;
};

/*
 * finding_add - adds a finding at the section of `cert`; NULL: at none
 *
 * `said` is what is wrong. `remedy` is what to do; if it is NULL, that follows a semicolon in
 * `said`, or is not known. `key` is that of the configuration, or NULL.
 */
void finding_add(struct findings *findings, enum finding_kind kind, const struct cert_config *cert,
                 const char *key, const char *said, const char *remedy);

/* finding_warn - the same for a warning, unless the section ignores its id */
void finding_warn(struct findings *findings, enum posture id, const struct cert_config *cert,
                  const char *key, const char *said, const char *remedy);

/* findings_add_problems - adds the errors of a configuration, which go to standard error as lines,
 * or advice on one */
void findings_add_problems(struct findings *findings, const struct config_problems *problems);

/* findings_tell - prints a line that is no finding; not in JSON */
void findings_tell(const struct findings *findings, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * findings_end - prints the JSON of the check of `file`, and frees it
 *
 * Returns the exit code: `code`, or a worse one for warnings that are errors.
 */
int findings_end(struct findings *findings, const char *file, int code);

#endif
