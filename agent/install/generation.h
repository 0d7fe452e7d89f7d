/*
 * generation - one issued set, complete, in a directory of its own
 *
 * ..YYYY_MM_DD_hh_mm_ss.XXXXXX below the set's directory, as Kubernetes' AtomicWriter names them.
 * Every file is made anew with O_EXCL, gets mode and owner before its content, is synced and closed
 * without error; then the directory is synced. Anything less and the generation is removed again:
 * nobody has seen it, since no visible name leads there yet.
 */
#ifndef LEAFD_INSTALL_GENERATION_H
#define LEAFD_INSTALL_GENERATION_H

#include "config/config.h"
#include "pki/vet.h"

enum { GENERATION_NAME_BYTES = 32 };

/*
 * generation_stage - writes a whole generation
 *
 * `set_fd` is the set's directory. Gives the generation's name. Blocks on the disk: for a worker.
 * Fails with class local, and nothing stays behind.
 */
bool generation_stage(int set_fd, const struct cert_config *cert, const struct issued *issued,
                      char ret_name[static GENERATION_NAME_BYTES], struct err *err);

/*
 * generation_rehearse - stages and removes files of the same names, modes and owners without
 * secrets
 *
 * Tells whether staging would work before the CA is asked: a full or read-only disk must not cost a
 * certificate at every try. Fails as generation_stage would.
 */
bool generation_rehearse(int set_fd, const struct cert_config *cert, struct err *err);

/* generation_is_name - whether a directory entry's name has the form of a generation's */
bool generation_is_name(const char *name);

/* generation_remove - removes a generation with the files in it; what is not there is fine */
void generation_remove(int set_fd, const char *name);

/* generation_sweep - removes every generation but these ("" for none); returns how many */
unsigned generation_sweep(int set_fd, const char *current, const char *previous, const char *held);

#endif
