/*
 * outputs - the bytes of every output file
 *
 * A file consists of a few parts in order: `combined` is fullchain then key, `bundle` is key then
 * fullchain, as Postfix, SPIFFE and Kubernetes credential bundles need it. Parts point to their
 * source, so a private key is not copied from the secure heap on its way to the file. Keystores are
 * made once for a generation, with the password that keystore_password_file holds at that time.
 */
#ifndef LEAFD_INSTALL_OUTPUTS_H
#define LEAFD_INSTALL_OUTPUTS_H

#include "base/bytes.h"
#include "base/err.h"
#include "config/config.h"
#include "pki/vet.h"

struct output_part {
    const char *bytes;
    size_t length;
};

enum { OUTPUT_PARTS_MOST = 32 };

/* The sources of all files of one generation. End with output_source_free. */
struct output_source {
    const struct issued *issued;
    const struct secret *key_pem;      /* in the encoding that the section asks for */
    struct secret traditional_key_pem; /* only if it asks for traditional encoding */
    /* The rest is made only if a file of the section needs it. */
    struct secret key_der;
    struct bytes certificate_der, keystore, truststore;
    char *metadata, *sds, *sds_ca;
};

/* output_source_open - makes the sources; borrows cert and issued; fails with class local */
bool output_source_open(const struct cert_config *cert, const struct issued *issued,
                        struct output_source *ret_source, struct err *err);

/*
 * output_password - reads the password of the section's keystores into `password`
 *
 * Succeeds without reading if the section has no keystore. Blocks on the disk. Fails with class
 * local.
 */
bool output_password(const struct cert_config *cert, struct secret *password, struct err *err);

/* output_source_free - wipes and frees the sources; also the release for CLEANUP */
void output_source_free(struct output_source *source);

/* output_parts - fills in the parts of a file with that content; returns how many */
size_t output_parts(const struct output_source *source, enum content content,
                    struct output_part parts[static OUTPUT_PARTS_MOST]);

/* -- Envoy's SDS from the file system -------------------------------------------------------------
 *
 * A file for path_config_source contains the visible names of the set's files, and the set's
 * directory as watched_directory. When ..data is renamed there, Envoy loads the files again, so the
 * SDS file itself never changes. See "Secret discovery service (SDS)", key rotation, in Envoy's
 * documentation.
 */

/* output_sds_certificate - the SDS resource with certificate and key; malloc()ed; fails with class
 * local */
bool output_sds_certificate(const struct cert_config *cert, char **ret_text, struct err *err);

/* output_sds_ca - the SDS resource with the CA certificates; malloc()ed; fails with class local */
bool output_sds_ca(const struct cert_config *cert, char **ret_text, struct err *err);

#endif
