#include "jwt.h"

#include "base/clock.h"

#include "base64url.h"
#include "must.h"
#include "owned.h"

#include <openssl/ec.h>
#include <openssl/err.h>

#include <string.h>

/* What the library allows where clocks differ, and the life of a token that names no end. */
enum { SKEW_S = 60, UNDATED_LIFE_S = 150, ES256_HALF_BYTES = 32 };

struct parts {
    const char *header, *payload, *signature;
    size_t header_length, payload_length, signature_length;
};

static bool split(const char *token, struct parts *parts)
{
    const char *first = strchr(token, '.');
    const char *second = first == NULL ? NULL : strchr(first + 1, '.');

    if (second == NULL || strchr(second + 1, '.') != NULL)
        return false;
    *parts = (struct parts){token,
                            first + 1,
                            second + 1,
                            (size_t)(first - token),
                            (size_t)(second - first - 1),
                            strlen(second + 1)};
    return true;
}

static json_t *decode_object(struct arena *arena, const char *text, size_t length)
{
    size_t decoded = 0;
    const unsigned char *json = base64url_decode(arena, text, length, &decoded);

    return json == NULL ? NULL : json_loadb((const char *)json, decoded, 0, NULL);
}

/* ES256 writes r and s in 32 bytes each, libcrypto wants them in DER; NULL if it is neither. */
static unsigned char *der_signature(const unsigned char *raw, size_t length, size_t *ret_length)
{
    CLEANUP(drop_ecdsa) ECDSA_SIG *pair = ECDSA_SIG_new();
    unsigned char *der = NULL;
    BIGNUM *r, *s;
    int size;

    if (length != 2 * ES256_HALF_BYTES)
        return NULL;
    r = BN_bin2bn(raw, ES256_HALF_BYTES, NULL);
    s = BN_bin2bn(raw + ES256_HALF_BYTES, ES256_HALF_BYTES, NULL);
    MUST(pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1);
    size = i2d_ECDSA_SIG(pair, &der);
    MUST(size > 0);
    *ret_length = (size_t)size;
    return der;
}

static bool verify(EVP_PKEY *key, const char *token, size_t length, const unsigned char *signature,
                   size_t signature_length)
{
    CLEANUP(drop_digest_context) EVP_MD_CTX *context = EVP_MD_CTX_new();
    CLEANUP(drop_openssl) unsigned char *der = NULL;
    bool right;

    if (EVP_PKEY_is_a(key, "EC")) {
        der = der_signature(signature, signature_length, &signature_length);
        signature = der;
    }
    if (signature == NULL)
        return false;
    MUST(context != NULL && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1);
    right = EVP_DigestVerify(context, signature, signature_length, (const unsigned char *)token,
                             length) == 1;
    ERR_clear_error();
    return right;
}

json_t *jwt_open(struct arena *arena, const char *token, EVP_PKEY *key, const char **ret_why)
{
    const char *wanted = EVP_PKEY_is_a(key, "EC") ? "ES256" : "RS256";
    json_auto_t *header = NULL;
    const char *algorithm;
    struct parts parts;
    unsigned char *signature;
    size_t length = 0;

    *ret_why = "go-jose/go-jose: compact JWS format must have three parts";
    if (!split(token, &parts))
        return NULL;
    *ret_why = "illegal base64 data at input byte 0";
    header = decode_object(arena, parts.header, parts.header_length);
    signature = base64url_decode(arena, parts.signature, parts.signature_length, &length);
    if (header == NULL || signature == NULL)
        return NULL;
    *ret_why = "no known key successfully validated the token signature";
    algorithm = json_string_value(json_object_get(header, "alg"));
    if (algorithm == NULL || strcmp(algorithm, wanted) != 0 ||
        !verify(key, token, parts.header_length + 1 + parts.payload_length, signature, length))
        return NULL;
    *ret_why = "illegal base64 data at input byte 0";
    return decode_object(arena, parts.payload, parts.payload_length);
}

static bool has_audience(const json_t *claims, const char *audience)
{
    const json_t *given = json_object_get(claims, "aud");
    const char *only = json_string_value(given);

    if (only != NULL)
        return strcmp(only, audience) == 0;
    for (size_t i = 0; i < json_array_size(given); i++) {
        const char *one = json_string_value(json_array_get(given, i));

        if (one != NULL && strcmp(one, audience) == 0)
            return true;
    }
    return false;
}

static int64_t date(const json_t *claims, const char *name)
{
    return (int64_t)json_number_value(json_object_get(claims, name));
}

static const char *refuse_dates(const json_t *claims, bool may_be_undated)
{
    int64_t issued = date(claims, "iat"), from = date(claims, "nbf"), to = date(claims, "exp");
    int64_t now_s = (int64_t)clock_now_s();

    if (issued == 0 && from == 0 && to == 0)
        return may_be_undated ? NULL
                              : "no issued at (iat), not before (nbf), or expiration time (exp) "
                                "claims in token";
    if (to == 0)
        to = (from > issued ? from : issued) + UNDATED_LIFE_S;
    if (from == 0)
        from = issued != 0 ? issued : to - UNDATED_LIFE_S;
    if (now_s + SKEW_S < from)
        return "invalid not before (nbf) claim: token not yet valid";
    if (now_s - SKEW_S > to)
        return "invalid expiration time (exp) claim: token is expired";
    if (now_s + SKEW_S < issued)
        return "invalid issued at (iat) claim: token issued in the future";
    return NULL;
}

const char *jwt_refusal(const json_t *claims, const struct jwt_demands *demands)
{
    const char *subject = json_string_value(json_object_get(claims, "sub"));

    if (demands->subject != NULL && (subject == NULL || strcmp(subject, demands->subject) != 0))
        return "invalid subject (sub) claim";
    if (!has_audience(claims, demands->audience))
        return "invalid audience (aud) claim: audience claim does not match any expected audience";
    return refuse_dates(claims, demands->may_be_undated);
}

/* The signature of ES256: r and s, 32 bytes each. */
static void sign(EVP_PKEY *key, const char *text, unsigned char raw[static 2 * ES256_HALF_BYTES])
{
    CLEANUP(drop_digest_context) EVP_MD_CTX *context = EVP_MD_CTX_new();
    CLEANUP(drop_ecdsa) ECDSA_SIG *pair = NULL;
    unsigned char der[256];
    const unsigned char *at = der;
    size_t length = sizeof der;

    MUST(context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
         EVP_DigestSign(context, der, &length, (const unsigned char *)text, strlen(text)) == 1);
    pair = d2i_ECDSA_SIG(NULL, &at, (long)length);
    MUST(pair != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, ES256_HALF_BYTES) > 0 &&
         BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + ES256_HALF_BYTES, ES256_HALF_BYTES) > 0);
}

const char *jwt_sign(struct arena *arena, const json_t *claims, EVP_PKEY *key)
{
    static const char header[] = "{\"alg\":\"ES256\",\"typ\":\"JWT\"}";
    unsigned char signature[2 * ES256_HALF_BYTES];
    char *payload = json_dumps(claims, JSON_COMPACT);
    const char *text;

    MUST(payload != NULL);
    text = arena_format(arena, "%s.%s", base64url_encode(arena, header, strlen(header)),
                        base64url_encode(arena, payload, strlen(payload)));
    free(payload);
    MUST(text != NULL);
    sign(key, text, signature);
    text = arena_format(arena, "%s.%s", text, base64url_encode(arena, signature, sizeof signature));
    MUST(text != NULL);
    return text;
}
