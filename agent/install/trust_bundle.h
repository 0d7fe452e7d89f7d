/*
 * trust_bundle - what a new generation takes over of the trust of the published one
 *
 * The published generation's record knows which CA certificates were current until now, and which
 * were before and when; trust_overlap decides which of them stay.
 */
#ifndef LEAFD_INSTALL_TRUST_BUNDLE_H
#define LEAFD_INSTALL_TRUST_BUNDLE_H

#include "config/config.h"
#include "pki/vet.h"

/*
 * trust_bundle_fill - sets the old CA certificates of an issued set that is to be staged
 *
 * They stay for the section's ca_overlap, or for twice the leaf's lifetime. None where the section
 * has a trust_anchor, in which the operator says what is trusted; none without a published
 * generation, or with one whose record cannot be read or is another section's. Blocks on the disk.
 * Fails with class local.
 */
bool trust_bundle_fill(int set_fd, const struct cert_config *cert, struct issued *issued,
                       struct err *err);

/*
 * trust_bundle_has - whether the published trust bundle vouches for an issued set already
 *
 * True as well if nothing is published whose bundle could be read. Blocks on the disk.
 */
bool trust_bundle_has(int set_fd, const struct cert_config *cert, const struct issued *issued);

/*
 * trust_bundle_announce - adds what is to be trusted before its first leaf is shown
 *
 * `tops` are the top certificates of a leaf that the CA has signed for us and that waits. They join
 * the old ones of `issued`, from where trust_bundle_fill takes them on. Those that a leaf was
 * waited for in vain are dropped by the next other one. Fails with class untrusted or local.
 */
bool trust_bundle_announce(const struct text_list *tops, struct issued *issued, struct err *err);

/* -- which of them stay ---------------------------------------------------------------------------
 *
 * When a new CA signs, peers go on showing leaves of the old one until they are renewed. So what
 * was trusted stays in the bundle for a while after it was last current, unless it has expired.
 * Pure: reads no clock and no disk.
 */

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
