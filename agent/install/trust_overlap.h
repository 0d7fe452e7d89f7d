/*
 * trust_overlap - which CA certificates are still trusted after the CA has changed
 *
 * When a new CA signs, peers go on showing leaves of the old one until they are renewed. So what
 * was trusted stays in the bundle for a while after it was last current, unless it has expired.
 * Pure: reads no clock and no disk.
 */
#ifndef LEAFD_INSTALL_TRUST_OVERLAP_H
#define LEAFD_INSTALL_TRUST_OVERLAP_H

#include "pki/issued.h"

enum { TRUST_OVERLAP_MOST = 8 };

/*
 * trust_overlap - the certificates among `old` that stay beside `current`; how many
 *
 * One that is current again is not old; of equal ones the first counts, which is to be the latest.
 * A last_current_s in the future, from a clock that was set back since, counts as now. No more than
 * TRUST_OVERLAP_MOST stay. Texts are borrowed.
 */
size_t trust_overlap(const struct text_list *current, const struct old_ca *old, size_t count,
                     uint64_t overlap_s, uint64_t now_s,
                     struct old_ca ret_kept[static TRUST_OVERLAP_MOST]);

#endif
