#include "config/token_claims.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hide.h"
#include "base/secret.h"
#include "base/text.h"

#include <jansson.h>
#include <openssl/evp.h>

#include <string.h>

enum { CLAIMS_MOST_BYTES = 8 * 1024 };

static const double FURTHEST_END_S = 253402300799.0; /* the end of the year 9999 */

/* Decodes base64url without padding (RFC 7515 appendix C); returns the length, or -1. */
static int decode(const char *from, size_t length, unsigned char *to)
{
    char text[CLAIMS_MOST_BYTES + 4];
    size_t padded = (length + 3) / 4 * 4;
    int decoded;

    if (length > CLAIMS_MOST_BYTES)
        return -1;
    for (size_t i = 0; i < padded; i++) {
        char c = i < length ? from[i] : '=';

        if (c == '-')
            c = '+';
        else if (c == '_')
            c = '/';
        text[i] = c;
    }
    decoded = EVP_DecodeBlock(to, (unsigned char *)text, (int)padded);
    return decoded < 0 ? -1 : decoded - (int)(padded - length);
}

/* The text at kubernetes.io.OUTER.INNER, or at kubernetes.io.OUTER if `inner` is NULL. */
static const char *claim(const json_t *claims, const char *outer, const char *inner,
                         struct arena *arena)
{
    const json_t *at = json_object_get(json_object_get(claims, "kubernetes.io"), outer);
    const char *text;

    if (inner != NULL)
        at = json_object_get(at, inner);
    text = json_string_value(at);
    return text == NULL ? NULL : arena_copy(arena, text);
}

/* The claims of a JWT; NULL if the text is none. */
static json_t *parse(const char *token)
{
    unsigned char decoded[CLAIMS_MOST_BYTES + 4];
    const char *start = strchr(token, '.'), *end = NULL;
    int length = -1;

    if (start != NULL)
        end = strchr(++start, '.');
    if (end != NULL)
        length = decode(start, (size_t)(end - start), decoded);
    return length <= 0 ? NULL
                       : json_loadb((char *)decoded, (size_t)length, JSON_REJECT_DUPLICATES, NULL);
}

bool token_claims_read(const char *token_file, struct arena *arena, struct token_claims *ret_claims,
                       struct err *err)
{
    CLEANUP(secret_wipe) struct secret token = {0};
    json_auto_t *claims = NULL;

    if (!file_read_secret(token_file, &token, err))
        return false;
    claims = parse(secret_expose(&token));
    if (!json_is_object(json_object_get(claims, "kubernetes.io")))
        return err_set(err, ERR_LOCAL, "%s is not a Kubernetes ServiceAccount token", token_file);
    ret_claims->namespace = claim(claims, "namespace", NULL, arena);
    ret_claims->service_account = claim(claims, "serviceaccount", "name", arena);
    ret_claims->pod = claim(claims, "pod", "name", arena);
    return true;
}

/* The audience, or the first of several (RFC 7519 section 4.1.3). */
static const char *audience(const json_t *claims)
{
    const json_t *aud = json_object_get(claims, "aud");
    const char *text = json_string_value(json_is_array(aud) ? json_array_get(aud, 0) : aud);

    return text == NULL ? "none" : text;
}

/* The claim exp, a NumericDate (RFC 7519 section 2), in seconds; 0: none, or beyond the year
 * 9999. */
static uint64_t end_of(const json_t *claims)
{
    double ends = json_number_value(json_object_get(claims, "exp"));

    return ends >= 1 && ends <= FURTHEST_END_S ? (uint64_t)ends : 0;
}

bool token_claims_tell(const char *token, uint64_t now_s, char to[static CLAIMS_TEXT_BYTES])
{
    json_auto_t *claims = parse(token);
    const char *subject = json_string_value(json_object_get(claims, "sub"));
    const char *account = subject == NULL ? NULL : text_starts(subject, "system:serviceaccount:");
    uint64_t ends_s = end_of(claims);
    char said[CLAIMS_TEXT_BYTES], apart[DURATION_TEXT_BYTES];

    if (claims == NULL)
        return false;
    duration_text(ends_s > now_s ? ends_s - now_s : now_s - ends_s, apart);
    snprintf(said, sizeof said, "the token sent is of %s%.60s, for audience %.40s, and %s%s%s",
             account == NULL ? "" : "ServiceAccount ",
             account != NULL   ? account
             : subject != NULL ? subject
                               : "nobody",
             audience(claims),
             ends_s == 0      ? "does not end"
             : ends_s > now_s ? "ends in "
                              : "ended ",
             ends_s == 0 ? "" : apart, ends_s == 0 || ends_s > now_s ? "" : " ago");
    hide_foreign(to, CLAIMS_TEXT_BYTES, said);
    return true;
}
