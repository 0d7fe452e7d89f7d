/*
 * generation - one issued version of a set, in a directory of its own
 *
 * The directory is named ..YYYY_MM_DD_hh_mm_ss.XXXXXX, as Kubernetes' AtomicWriter names it, and
 * lies in the set's directory. Every file is created with O_EXCL, gets mode and owner before its
 * content, and is synced and closed without error; then the directory is synced. After any failure
 * the generation is removed. No visible name led to it yet, so no consumer has seen it.
 */
#ifndef LEAFD_INSTALL_GENERATION_H
#define LEAFD_INSTALL_GENERATION_H

#include "config/config.h"
#include "pki/vet.h"

enum { GENERATION_NAME_BYTES = 32 };

/*
 * generation_stage - writes a complete generation
 *
 * `set_fd` is the set's directory, *ret_name the name of the new generation. Blocks on the disk, so
 * call it on a worker. Fails with class local, and then removes what it has written.
 */
bool generation_stage(int set_fd, const struct cert_config *cert, const struct issued *issued,
                      char ret_name[static GENERATION_NAME_BYTES], struct err *err);

/*
 * generation_rehearse - writes and removes a generation without secrets: the same names, modes and
 * owners
 *
 * Called before the CA is asked, so that a full or read-only disk does not waste a certificate at
 * every try. Blocks on the disk. Fails as generation_stage would.
 */
bool generation_rehearse(int set_fd, const struct cert_config *cert, struct err *err);

/* generation_is_name - whether the text has the form of a generation's name */
bool generation_is_name(const char *name);

/* generation_remove - removes a generation and its files; a missing one is fine */
void generation_remove(int set_fd, const char *name);

/* generation_sweep - removes all generations except these three ("": none); returns how many */
unsigned generation_sweep(int set_fd, const char *current, const char *previous, const char *held);

#endif
