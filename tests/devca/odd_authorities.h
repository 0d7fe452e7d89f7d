/*
 * odd_authorities - CAs that only faults sign with or show
 *
 * Each is made when a fault asks for it first, so that a start costs nothing for them.
 */
#ifndef DEVCA_ODD_AUTHORITIES_H
#define DEVCA_ODD_AUTHORITIES_H

#include "authority.h"

enum { DEEP_LEVELS = 11 };

/* Initialise with {0}. */
struct odd_authorities {
    struct authority *weak, *foreign;
    struct authority *deep[DEEP_LEVELS];
};

/* odd_weak - an intermediate below `root` with a key of RSA 1024 */
const struct authority *odd_weak(struct odd_authorities *odd, const struct authority *root);

/* odd_foreign - a root that has nothing to do with ours */
const struct authority *odd_foreign(struct odd_authorities *odd);

/* odd_deep - the lowest of eleven intermediates below `root`: a chain of twelve */
const struct authority *odd_deep(struct odd_authorities *odd, const struct authority *root);

/* odd_close - frees them */
void odd_close(struct odd_authorities *odd);

#endif
