#include "config/token_claims.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/secret.h"

#include <jansson.h>
#include <openssl/evp.h>

#include <string.h>

enum { CLAIMS_MOST_BYTES = 8 * 1024 };

/* base64url without padding (RFC 7515 appendix C) to bytes; the length, or -1. */
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

/* The text at kubernetes.io.OUTER.INNER, or at kubernetes.io.OUTER if inner is NULL. */
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

bool token_claims_read(const char *token_file, struct arena *arena, struct token_claims *ret_claims,
                       struct err *err)
{
    CLEANUP(secret_wipe) struct secret token = {0};
    unsigned char decoded[CLAIMS_MOST_BYTES + 4];
    json_auto_t *claims = NULL;
    const char *start, *end = NULL;
    int length = -1;

    if (!file_read_secret(token_file, &token, err))
        return false;
    start = strchr(secret_expose(&token), '.');
    if (start != NULL)
        end = strchr(++start, '.');
    if (end != NULL)
        length = decode(start, (size_t)(end - start), decoded);
    if (length > 0)
        claims = json_loadb((char *)decoded, (size_t)length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(json_object_get(claims, "kubernetes.io")))
        return err_set(err, ERR_LOCAL, "%s is not a Kubernetes ServiceAccount token", token_file);
    ret_claims->namespace = claim(claims, "namespace", NULL, arena);
    ret_claims->service_account = claim(claims, "serviceaccount", "name", arena);
    ret_claims->pod = claim(claims, "pod", "name", arena);
    return true;
}
