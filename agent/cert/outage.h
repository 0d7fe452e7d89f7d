/*
 * outage - emits the events of an outage of the CA
 *
 * An outage is one event when it begins and one when it ends. Meanwhile a certificate is reported
 * when it is running out of time, and of many certificates only a few at the level of their own:
 * the log stays readable, and hooks and `leafd status` have all of them.
 */
#ifndef LEAFD_CERT_OUTAGE_H
#define LEAFD_CERT_OUTAGE_H

#include "cert/cert_work.h"

enum { OUTAGE_MORE_BYTES = 96 };

/* outage_begin - an outage begins; `err` is the first failure */
void outage_begin(struct cert_tools *tools, const struct err *err);

/* outage_end - an outage has ended after `after_s` */
void outage_end(struct cert_tools *tools, uint64_t after_s);

/* outage_covers - whether an event of the agent as a whole reports the failure: an outage, or a
 * failed login */
bool outage_covers(const struct cert_work *work, const struct err *err);

/* outage_tells - likewise, and counts a certificate that waits for the CA */
bool outage_tells(struct cert_work *work, const struct err *err);

/*
 * outage_note - lowers the level of a report on one of many certificates that an outage endangers
 *
 * `err` is why the certificate was not replaced. `to` gets what is added to the message: how many
 * there are. Changes nothing and writes "" if there is no outage.
 */
void outage_note(struct cert_work *work, const struct err *err, enum urgency urgency,
                 enum log_level *level, char to[static OUTAGE_MORE_BYTES]);

#endif
