/*
 * cert_variables - the environment of the operator's commands
 */
#ifndef LEAFD_CERT_CERT_VARIABLES_H
#define LEAFD_CERT_CERT_VARIABLES_H

#include "cert/cert_work.h"

enum { CERT_VARIABLES_MOST = 8 };

/* "NAME=value" each, then NULL, as child_order wants them; the texts live in the arena. */
struct cert_variables {
    struct arena arena;
    const char *items[CERT_VARIABLES_MOST + 1];
    size_t count;
    bool complete; /* memory did not run out */
};

/* cert_variables_of - what every command is told of its section; end with cert_variables_free */
void cert_variables_of(struct cert_variables *ret_variables, const struct cert_config *cert);

/* cert_variables_of_published - the same, and what is told of the published generation */
void cert_variables_of_published(struct cert_variables *ret_variables,
                                 const struct cert_work *work);

/* cert_variables_add - one more, formatted as printf does */
void cert_variables_add(struct cert_variables *variables, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* cert_variables_free - gives back the texts */
void cert_variables_free(struct cert_variables *variables);

#endif
