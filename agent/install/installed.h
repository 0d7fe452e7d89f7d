/*
 * installed - reads a published set back from disk and checks it
 *
 * At every start leafd checks the published generation: whether its record is complete, whether
 * every file has the content, mode and owner that were written, and whether key and certificate
 * belong together. A set that passes is used without the CA.
 */
#ifndef LEAFD_INSTALL_INSTALLED_H
#define LEAFD_INSTALL_INSTALLED_H

#include "base/err.h"
#include "install/generation.h"
#include "install/record.h"

#include <stdbool.h>

enum installed_health {
    INSTALLED_WHOLE,    /* all files are as written, and as the section asks */
    INSTALLED_UNWANTED, /* the set is intact, but the section asks for other files, modes or owners
                         */
    INSTALLED_DAMAGED,  /* files are missing or changed; key and certificate are intact */
    INSTALLED_NOTHING   /* no usable generation */
};

/* Initialise with {0}, free with installed_free. */
struct installed {
    struct arena arena;
    enum installed_health health;
    char generation[GENERATION_NAME_BYTES]; /* "": none */
    struct record record;                   /* set unless INSTALLED_NOTHING */
    /* a file is missing, or its content was changed */
    bool is_spoiled;
    bool has_other_key; /* the file of key_source holds another key than that of the certificate */
    bool has_other_files; /* the section asks for other files, owners or modes */
    bool is_foreign;      /* INSTALLED_NOTHING because other users made it or may write it */
    bool is_exposed; /* the mode or an access control list lets more users read the key than was
                        written */
    char why[256];   /* the reason of the health, for people */
};

/*
 * installed_read - reads and checks the published generation of the set
 *
 * Never fails: an unreadable file counts as missing. If memory may have run out, the caller checks
 * err_shortage and repeats the call later. Blocks on the disk. The caller ends *ret_installed with
 * installed_free.
 */
void installed_read(int set_fd, const struct cert_config *cert, struct installed *ret_installed);

/* installed_read_generation - the same for the generation of that name */
void installed_read_generation(int set_fd, const char *generation, const struct cert_config *cert,
                               struct installed *ret_installed);

/*
 * installed_glance - the same for a user who may not read keys
 *
 * For `leafd status`. Does not compare key and certificate, and accepts an unreadable file unless
 * it was modified after the record was.
 */
void installed_glance(int set_fd, const struct cert_config *cert, struct installed *ret_installed);

/*
 * installed_judge_names - sets the health to damaged if a visible name or a link does not lead to
 * the set
 *
 * Consumers open files by these names, so an intact generation alone is not sufficient. Call it
 * after installed_read or installed_glance. Blocks on the disk.
 */
void installed_judge_names(int set_fd, const struct cert_config *cert, struct installed *installed);

/*
 * installed_difference - why the section needs a new certificate; NULL if it does not
 *
 * The reason is that of record_difference. If the set was made for a section of another name, it is
 * used only for the same files, so that no other consumer gets its key. Not for INSTALLED_NOTHING.
 */
const char *installed_difference(const struct installed *installed, const struct cert_config *cert);

/*
 * installed_print - a digest of everything that can be seen of a published generation without
 * reading files
 *
 * It covers the targets of names and links, and mode, owner, size, times and inode of the files.
 * Any write to a file, or its replacement, changes the digest; so does a missing file. Opens no
 * file. Fails with class local only if the digest could not be computed.
 */
bool installed_print(int set_fd, const struct cert_config *cert, const char *generation,
                     char ret_print[static DIGEST_HEX_BYTES], struct err *err);

/*
 * installed_recover - makes the issued set again, key included, from the files on disk
 *
 * For staging it with other files or modes, or with the same key. The caller ends *ret_issued with
 * issued_free. Blocks on the disk. Fails with class local, also if key and certificate do not
 * belong together, or if the set was made for another section with other files.
 */
bool installed_recover(int set_fd, const struct cert_config *cert,
                       const struct installed *installed, struct issued *ret_issued,
                       struct err *err);

/*
 * installed_record - reads the record of the published generation only, whatever its health
 *
 * Texts are allocated in `arena`. Fails with class local if there is none, or it cannot be read.
 */
bool installed_record(int set_fd, struct arena *arena, struct record *ret_record, struct err *err);

/* installed_free - frees the contents; also the release for CLEANUP */
void installed_free(struct installed *installed);

#endif
