/*
 * top_certificates - what of a CA's chain a peer must trust
 */
#ifndef LEAFD_PKI_TOP_CERTIFICATES_H
#define LEAFD_PKI_TOP_CERTIFICATES_H

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

/*
 * top_certificates - those in a PEM text that no other one in it has issued
 *
 * The root where the CA shows it, else the highest intermediate: the same that a leaf's own chain
 * leads to. Adds them to the list as PEM of our own making, in the arena. Fails with class
 * untrusted for a text that is no chain, local without memory.
 */
bool top_certificates(const char *pem, struct arena *arena, struct text_list *tops,
                      struct err *err);

#endif
