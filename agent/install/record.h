/*
 * record - the record of a generation
 *
 * A JSON file "..record" beside the outputs. It holds what was requested of the CA, what the CA
 * issued, and each file with its digest: everything that leafd needs after a restart and cannot see
 * in the outputs. It holds no secret.
 */
#ifndef LEAFD_INSTALL_RECORD_H
#define LEAFD_INSTALL_RECORD_H

#include "config/config.h"
#include "pki/vet.h"

extern const char record_name[];

enum { RECORD_MOST_BYTES = 512 * 1024, REQUEST_MARK_BYTES = 16 + 1 };

/* The request of a certificate. Texts are borrowed; NULL: not configured. */
struct request_facts {
    struct cert_request request;
    const char *pki_mount, *pki_role, *issuer;
    bool key_from_ca;
};

/* An output as it was written. */
struct record_file {
    struct output output;
    char digest[DIGEST_HEX_BYTES];
};

/* Texts are allocated in the arena that the record was read into. */
struct record {
    const char *cert; /* name of the section that it was made for */
    struct request_facts request;
    uint64_t issued_s;
    const char *request_id;
    struct certificate_facts leaf;
    uint64_t end_s; /* earliest notAfter on its path, in seconds since 1970 */
    const char *leaf_pem;
    struct text_list chain_pem, ca_pem;
    struct old_ca *old_cas; /* CA certificates of earlier generations */
    size_t old_ca_count;
    const char *formats; /* record_formats of the section when it was written; NULL: not recorded */
    struct record_file *files;
    size_t file_count;
};

/* record_is_of - whether the set was made for this section; no other section gets its key */
bool record_is_of(const struct record *record, const struct cert_config *cert);

/*
 * record_difference - why the section needs a new certificate; NULL if it does not
 *
 * Compares the recorded request with the section, and the certificate's names with the section's.
 * Files, modes and owners are not compared: they are repaired from the set without the CA. Pure.
 */
const char *record_difference(const struct record *record, const struct cert_config *cert);

/*
 * record_request_mark - the first 16 hex digits of a digest of the section's request
 *
 * The order of names matters. "" if memory ran out.
 */
void record_request_mark(const struct cert_config *cert, char to[static REQUEST_MARK_BYTES]);

/*
 * record_formats - a digest of the keys that change files but not the request
 *
 * They are key_encoding, keystore_encryption, keystore_alias, sds_name and sds_ca_name, and never a
 * password. Fails with class local.
 */
bool record_formats(const struct cert_config *cert, char to[static DIGEST_HEX_BYTES],
                    struct err *err);

/*
 * record_text - the record of a generation as JSON
 *
 * `digests` holds the SHA-256 of each output of the section, in order. malloc()ed; NULL if memory
 * ran out.
 */
char *record_text(const struct cert_config *cert, const struct issued *issued,
                  const char (*digests)[DIGEST_HEX_BYTES]);

/* record_read - parses a record; fails with class local if it is damaged or of a newer version */
bool record_read(const char *text, size_t length, struct arena *arena, struct record *ret_record,
                 struct err *err);

#endif
