/*
 * reply_names - whether an admin interface's reply names the certificate
 *
 * Programs write serial numbers and fingerprints as they like: with colons or without, in either
 * case, padded with zeros or not. All of these are the same number here.
 */
#ifndef LEAFD_PROVE_REPLY_NAMES_H
#define LEAFD_PROVE_REPLY_NAMES_H

#include "base/bytes.h"
#include "base/err.h"

/* hex_same - whether two texts are the same number in hex, however they are written */
bool hex_same(const char *a, const char *b);

/*
 * reply_names - whether a text at the path is the serial number or the fingerprint
 *
 * `json_path` is a valid one. Fails with class consumer if none is, or if the reply is no JSON.
 */
bool reply_names(const struct bytes *reply, const char *json_path, const char *serial,
                 const char *fingerprint, struct err *err);

#endif
