/*
 * outputs - which bytes go into which file
 *
 * A content is a few parts in order: combined is fullchain then key, bundle is key then fullchain
 * (Postfix, SPIFFE, Kubernetes credential bundles want the key first). Parts are borrowed, so that
 * a private key is never copied out of the secure heap on its way to the file. Keystores are made
 * once a set, under the password that their file holds at that moment.
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

/* What is made of an issued set once and used by all its files. End with output_source_free. */
struct output_source {
    const struct issued *issued;
    const struct secret *key_pem;      /* in the encoding that the section wants */
    struct secret traditional_key_pem; /* made if it does not want PKCS#8 */
    /* What follows is made where a file of the section wants it. */
    struct secret key_der;
    struct bytes certificate_der, keystore, truststore;
    char *metadata, *sds, *sds_ca;
};

/* output_source_open - prepares; borrows cert and issued; fails with class local */
bool output_source_open(const struct cert_config *cert, const struct issued *issued,
                        struct output_source *ret_source, struct err *err);

/*
 * output_password - the password of the section's keystores, into `password`
 *
 * Nothing, and success, for a section that wants none. Fails with class local.
 */
bool output_password(const struct cert_config *cert, struct secret *password, struct err *err);

/* output_source_free - wipes what was made; also the release for CLEANUP */
void output_source_free(struct output_source *source);

/* output_parts - the parts of a file of that content, in order; how many */
size_t output_parts(const struct output_source *source, enum content content,
                    struct output_part parts[static OUTPUT_PARTS_MOST]);

/* -- for Envoy: SDS from the file system ----------------------------------------------------------
 *
 * A file for path_config_source names the set's files by their visible names, and the set's
 * directory as the one to watch: the rename of ..data there is what makes Envoy load them anew, so
 * this file itself never changes. See Envoy's "Secret discovery service", key rotation.
 */

/* output_sds_certificate - the resource with certificate and key; malloc()ed. Class local */
bool output_sds_certificate(const struct cert_config *cert, char **ret_text, struct err *err);

/* output_sds_ca - the resource with what peers are held against; malloc()ed. Class local */
bool output_sds_ca(const struct cert_config *cert, char **ret_text, struct err *err);

#endif
