/*
 * trust_bundle - which older CA certificates stay in the bundle of a new generation
 *
 * When another CA signs, peers still have leaves of the old one until they are renewed. So a CA
 * certificate stays in the bundle for a while after it was last current, unless it has expired. The
 * record of the published generation holds which ones were current, and when.
 */
#ifndef LEAFD_INSTALL_TRUST_BUNDLE_H
#define LEAFD_INSTALL_TRUST_BUNDLE_H

#include "config/config.h"
#include "pki/vet.h"

/*
 * trust_bundle_fill - sets the old CA certificates of an issued set, before it is staged
 *
 * They stay for the section's ca_overlap, by default for twice the leaf's lifetime. There are none
 * if the section has a trust_anchor, with which the operator decides; nor if no record of this
 * section is published or it cannot be read. Blocks on the disk. Fails with class local.
 */
bool trust_bundle_fill(int set_fd, const struct cert_config *cert, struct issued *issued,
                       struct err *err);

/*
 * trust_bundle_has - whether the published trust bundle already contains the CA of an issued set
 *
 * True if no bundle of this section is published or it cannot be read. Blocks on the disk.
 */
bool trust_bundle_has(int set_fd, const struct cert_config *cert, const struct issued *issued);

/*
 * trust_bundle_announce - adds CA certificates to the bundle before the first leaf of theirs is
 * published
 *
 * `tops` are the top certificates on the path of a leaf that is held. They become old CA
 * certificates of `issued`, and trust_bundle_fill keeps them. They are dropped when another leaf is
 * published instead. Fails with class untrusted or local.
 */
bool trust_bundle_announce(const struct text_list *tops, struct issued *issued, struct err *err);

/* -- the overlap ----------------------------------------------------------------------------------
 *
 * Pure: reads no clock and no disk.
 */

enum { TRUST_OVERLAP_MOST = 8 };

/*
 * trust_overlap - selects the certificates of `old` that stay beside `current`; returns how many
 *
 * Times are seconds. A certificate of `current` is not old. Of equal ones the first is kept, so
 * `old` is sorted by last_current_s, the latest first. A last_current_s in the future, from a clock
 * that was set back since, counts as `now_s`. Keeps at most TRUST_OVERLAP_MOST. Borrows texts.
 */
size_t trust_overlap(const struct text_list *current, const struct old_ca *old, size_t count,
                     uint64_t overlap_s, uint64_t now_s,
                     struct old_ca ret_kept[static TRUST_OVERLAP_MOST]);

#endif
