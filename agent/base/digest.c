#include "base/digest.h"

#include <openssl/evp.h>
void digest_add(struct digest *digest, const void *data, size_t length)
{
    if (digest->context == NULL && !digest->failed) {
        digest->context = EVP_MD_CTX_new();
        digest->failed =
            digest->context == NULL || EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) != 1;
    }
    if (!digest->failed)
        digest->failed = EVP_DigestUpdate(digest->context, data, length) != 1;
}

/* Without snprintf, which is slow: ten thousand sets have one and a half million of these bytes. */
static void write_hex(const unsigned char sum[static DIGEST_BYTES],
                      char to[static DIGEST_HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        to[2 * i] = digits[sum[i] >> 4];
        to[2 * i + 1] = digits[sum[i] & 15];
    }
    to[DIGEST_HEX_BYTES - 1] = '\0';
}

bool digest_hex(struct digest *digest, char to[static DIGEST_HEX_BYTES], struct err *err)
{
    unsigned char sum[DIGEST_BYTES] = {0};

    digest_add(digest, "", 0);
    if (!digest->failed)
        digest->failed = EVP_DigestFinal_ex(digest->context, sum, NULL) != 1;
    if (digest->failed) {
        digest_drop(digest);
        return err_set(err, ERR_LOCAL, "cannot compute a SHA-256 digest");
    }
    write_hex(sum, to);
    digest_drop(digest);
    return true;
}

void digest_drop(struct digest *digest)
{
    EVP_MD_CTX_free(digest->context);
    *digest = (struct digest){0};
}

/* FNV-1a with 64 bits, then the finaliser fmix64 of MurmurHash3: the result must be uniform but not
 * secret, and this cannot fail. */
uint32_t digest_spread(const char *const *texts)
{
    uint64_t hash = 0xcbf29ce484222325;

    for (; *texts != NULL; texts++) {
        /* The terminating NUL counts, so that "ab","c" and "a","bc" differ. */
        for (const char *at = *texts;; at++) {
            hash = (hash ^ (unsigned char)*at) * 0x100000001b3;
            if (*at == '\0')
                break;
        }
    }
    hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
    hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
    return (uint32_t)(hash >> 32);
}
