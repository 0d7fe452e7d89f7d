/*
 * output_sds - the files by which Envoy finds its certificates: SDS from the file system
 *
 * A file for path_config_source names the set's files by their visible names, and the set's
 * directory as the one to watch: the rename of ..data there is what makes Envoy load them anew, so
 * this file itself never changes. See Envoy's "Secret discovery service", key rotation.
 */
#ifndef LEAFD_INSTALL_OUTPUT_SDS_H
#define LEAFD_INSTALL_OUTPUT_SDS_H

#include "base/err.h"
#include "config/config.h"

/* output_sds_certificate - the resource with certificate and key; malloc()ed. Class local */
bool output_sds_certificate(const struct cert_config *cert, char **ret_text, struct err *err);

/* output_sds_ca - the resource with what peers are held against; malloc()ed. Class local */
bool output_sds_ca(const struct cert_config *cert, char **ret_text, struct err *err);

#endif
