/*
 * asked - the names that a certificate is asked to have
 *
 * From a CSR, from the fields of a request, or from both, as the role says.
 */
#ifndef DEVCA_ASKED_H
#define DEVCA_ASKED_H

#include "base/text.h"

#include <openssl/x509v3.h>

struct asked {
    const char *common_name; /* "": none */
    struct text_list dns, email, ip, uri;
};

/* asked_tidy - sorts DNS names and mail addresses and drops doubles, as Vault does */
void asked_tidy(struct asked *asked);

/* asked_names - the subject alternative names, in the order in which Vault writes them */
GENERAL_NAMES *asked_names(const struct asked *asked);

/* asked_is_ip - whether a text is an IP address */
bool asked_is_ip(const char *text);

#endif
