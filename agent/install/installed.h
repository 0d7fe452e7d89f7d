/*
 * installed - what is on disk, read back and believed only as far as it proves true
 *
 * What is on disk is the state of leafd. On every start the published generation is read: is the
 * record whole, does every file have the content, mode and owner it was written with, do key and
 * certificate belong together? What is still good is used without asking the CA for anything.
 */
#ifndef LEAFD_INSTALL_INSTALLED_H
#define LEAFD_INSTALL_INSTALLED_H

#include "base/err.h"
#include "install/generation.h"
#include "install/record.h"

#include <stdbool.h>

enum installed_health {
    INSTALLED_WHOLE,    /* every file is as it was written, and as the section wants it */
    INSTALLED_UNWANTED, /* the set is sound, but the section wants other files, modes or owners */
    INSTALLED_DAMAGED,  /* files are missing or changed; key and certificate are still sound */
    INSTALLED_NOTHING   /* no generation that could be used */
};

/* Initialise with {0}, end with installed_free. */
struct installed {
    struct arena arena;
    enum installed_health health;
    char generation[GENERATION_NAME_BYTES]; /* "" if there is none */
    struct record record;                   /* set unless NOTHING */
    /* A file is missing, or does not hold what was written: not merely a mode or owner. */
    bool is_spoiled;
    bool has_other_files; /* than the section wants, or for other owners, or in other modes */
    bool is_foreign;      /* it is there, but others made it or may write it: NOTHING */
    bool is_exposed;      /* a file with the key may be read by more than it was written for */
    char why[256];        /* what is not as it should be, for people */
};

/*
 * installed_read - reads back what is published in the set's directory
 *
 * Always gives an answer: what cannot be read counts as missing. Who does not want to take want of
 * memory for that asks err_shortage. Blocks on the disk.
 */
void installed_read(int set_fd, const struct cert_config *cert, struct installed *ret_installed);

/* installed_read_generation - the same for a generation that need not be the published one */
void installed_read_generation(int set_fd, const char *generation, const struct cert_config *cert,
                               struct installed *ret_installed);

/*
 * installed_glance - the same for somebody who may not be allowed to read keys
 *
 * For `leafd status`: key and certificate are not held against each other, and contents that may
 * not be read are taken for good unless they were written to after the record was.
 */
void installed_glance(int set_fd, const struct cert_config *cert, struct installed *ret_installed);

/*
 * installed_judge_names - a set that its visible names or links elsewhere do not lead to is damaged
 *
 * The last word on whether what was read is whole, for all who ask: whoever reads files by their
 * names gets none, or others, however whole the generation is.
 */
void installed_judge_names(int set_fd, const struct cert_config *cert, struct installed *installed);

/*
 * installed_difference - why what was read is not what the section wants of the CA; NULL if it is
 *
 * As record_difference has it. A set that was made for a section of another name is kept for the
 * same files alone: nobody else gets its key. Not for INSTALLED_NOTHING.
 */
const char *installed_difference(const struct installed *installed, const struct cert_config *cert);

/*
 * installed_print - a digest of all that can be seen of a published generation without reading it
 *
 * Where its names and links lead; mode, owner, size, times and inode of its files. Whoever writes
 * to one of them, or replaces it, changes the digest. Opens no file. Fails with class local only if
 * no digest could be computed: what is missing is a fact like any other.
 */
bool installed_print(int set_fd, const struct cert_config *cert, const char *generation,
                     char ret_print[static DIGEST_HEX_BYTES], struct err *err);

/*
 * installed_recover - the issued set again, key included, from what is on disk
 *
 * For staging it anew with other files or modes, or with the same key. Fails with class local, also
 * if key and certificate do not belong together, or if the set was made for another section and
 * other files.
 */
bool installed_recover(int set_fd, const struct cert_config *cert,
                       const struct installed *installed, struct issued *ret_issued,
                       struct err *err);

/*
 * installed_record - the record of the published generation alone, whatever the health of the rest
 *
 * Texts go into `arena`. Fails with class local if there is none, or none that can be read.
 */
bool installed_record(int set_fd, struct arena *arena, struct record *ret_record, struct err *err);

/* installed_free - frees what was read; also the release for CLEANUP */
void installed_free(struct installed *installed);

/* -- what others put there ------------------------------------------------------------------------
 *
 * While they could write its directory. It counts for nothing (set_file_read). It is told, so that
 * somebody asks how it came there, and removed, so that it is told once.
 */

/*
 * foreign_find - whether a generation, ..data or a note in the open set directory is of others
 *
 * Or may be written by them. *ret_what tells of one, class local. Changes nothing.
 */
bool foreign_find(int set_fd, struct err *ret_what);

/*
 * foreign_remove - the same, and removes all of it
 *
 * Follows no link. Only ..data stays, which is replaced in one rename. A directory that cannot be
 * emptied is renamed as file_make_way does. For an agent in its own set.
 */
bool foreign_remove(int set_fd, struct err *ret_what);

#endif
