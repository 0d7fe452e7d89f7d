/*
 * issuance_read - what a read of the disk means for issuance
 */
#ifndef LEAFD_CERT_ISSUANCE_READ_H
#define LEAFD_CERT_ISSUANCE_READ_H

#include "cert/issuance_states.h"

/*
 * issuance_take_read - stores what the ended job has read, and decides
 *
 * `err` is how the job ended; it is extended where a set that this process may not work in is not
 * fresh. Takes claim and draft from the job. Returns an event of a read.
 */
enum issuance_event issuance_take_read(struct issuance *issuance, struct err *err);

#endif
