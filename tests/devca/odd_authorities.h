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
    struct authority *brief, *restricted;
    struct authority *old_root, *old_signer, *crossed_root;
};

/* odd_weak - an intermediate below `root` with a key of RSA 1024 */
const struct authority *odd_weak(struct odd_authorities *odd, const struct authority *root);

/* odd_foreign - a root that has nothing to do with ours */
const struct authority *odd_foreign(struct odd_authorities *odd);

/* odd_deep - the lowest of eleven intermediates below `root`: a chain of twelve */
const struct authority *odd_deep(struct odd_authorities *odd, const struct authority *root);

/* odd_brief - an intermediate below `root` that ends in so many seconds; a new one each time */
const struct authority *odd_brief(struct odd_authorities *odd, const struct authority *root,
                                  uint64_t seconds);

/* odd_restricted - an intermediate below `root` whose extended key usage is clientAuth */
const struct authority *odd_restricted(struct odd_authorities *odd, const struct authority *root);

/*
 * odd_crossed - what a CA that replaced an expired root sends
 *
 * The signer as the old root had signed it, the signer, its root as the old one had cross-signed
 * it, the old root, and the root.
 */
json_t *odd_crossed(struct odd_authorities *odd, const struct authority *signer,
                    const struct authority *root);

/* odd_close - frees them */
void odd_close(struct odd_authorities *odd);

#endif
