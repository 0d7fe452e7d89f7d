/*
 * record - what leafd notes in a generation about itself
 *
 * A JSON file beside the outputs, "..record": what was asked of the CA, what came back, and which
 * files were made with which digest. What is on disk is the state of leafd; this is the part of it
 * that the outputs themselves do not tell. It holds no secret.
 */
#ifndef LEAFD_INSTALL_RECORD_H
#define LEAFD_INSTALL_RECORD_H

#include "config/config.h"
#include "pki/vet.h"

extern const char record_name[];

enum { RECORD_MOST_BYTES = 512 * 1024, REQUEST_MARK_BYTES = 16 + 1 };

/* What a certificate was asked for. Texts are borrowed; NULL is what was not given. */
struct request_facts {
    struct cert_request request;
    const char *pki_mount, *pki_role, *issuer;
    bool key_from_ca;
};

/* One output as it was written. */
struct record_file {
    struct output output;
    char digest[DIGEST_HEX_BYTES];
};

/* Texts live in the arena that it was read into. */
struct record {
    const char *cert; /* the name of the section that it was made for */
    struct request_facts request;
    uint64_t issued_s;
    const char *request_id;
    struct certificate_facts leaf;
    uint64_t end_s; /* when the generation stops being of use: the earliest notAfter on its path */
    const char *leaf_pem;
    struct text_list chain_pem, ca_pem;
    struct old_ca *old_cas; /* CA certificates that were current in earlier generations */
    size_t old_ca_count;
    const char *formats; /* record_formats of the section as it was; NULL: not noted */
    struct record_file *files;
    size_t file_count;
};

/* record_is_of - whether the set was made for that section: its key is given to no other */
bool record_is_of(const struct record *record, const struct cert_config *cert);

/*
 * record_difference - why the certificate is not what the section wants; NULL if it is
 *
 * What was asked of the CA counts, and that the certificate itself carries the section's names: a
 * difference means a new certificate. Files, modes and owners are repaired from the set that is
 * there. Pure.
 */
const char *record_difference(const struct record *record, const struct cert_config *cert);

/*
 * record_request_mark - the first digits of a digest of what the section asks of the CA
 *
 * Names in another order make another mark. "" if memory ran out.
 */
void record_request_mark(const struct cert_config *cert, char to[static REQUEST_MARK_BYTES]);

/*
 * record_formats - a digest of the keys that shape files without being asked of the CA
 *
 * The encoding of keys, names in keystores and for Envoy. Never of a password. Class local.
 */
bool record_formats(const struct cert_config *cert, char to[static DIGEST_HEX_BYTES],
                    struct err *err);

/*
 * record_text - the record of a generation as JSON
 *
 * `digests` holds one digest for each output of the section. malloc()ed; NULL if memory ran out.
 */
char *record_text(const struct cert_config *cert, const struct issued *issued,
                  const char (*digests)[DIGEST_HEX_BYTES]);

/* record_read - reads such a text; fails with class local if it is damaged or of another version */
bool record_read(const char *text, size_t length, struct arena *arena, struct record *ret_record,
                 struct err *err);

#endif
