#include "pki/chain.h"

#include "base/bytes.h"
#include "base/file.h"
#include "pki/crypto.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include <pthread.h>
#include <string.h>

enum { LEAST_STRENGTH_LEVEL = 2 }; /* 112 bits: SSL_CTX_set_security_level(3) */

bool chain_has(STACK_OF(X509) * certificates, const X509 *certificate)
{
    for (int i = 0; i < sk_X509_num(certificates); i++)
        if (X509_cmp(sk_X509_value(certificates, i), certificate) == 0)
            return true;
    return false;
}

/* Takes the reference in any case. A certificate that is already there is not added again. */
static bool add_certificate(STACK_OF(X509) * certificates, X509 *certificate, struct err *err)
{
    if (chain_has(certificates, certificate)) {
        X509_free(certificate);
        return true;
    }
    if (sk_X509_num(certificates) >= CHAIN_MOST_CERTIFICATES) {
        X509_free(certificate);
        return err_set(err, ERR_UNTRUSTED, "the chain holds more than %d certificates",
                       CHAIN_MOST_CERTIFICATES);
    }
    if (sk_X509_push(certificates, certificate) <= 0) {
        X509_free(certificate);
        return err_memory(err);
    }
    return true;
}

bool chain_parse(const char *pem, STACK_OF(X509) * certificates, struct err *err)
{
    CLEANUP(cleanup_bio) BIO *bio = NULL;
    X509 *certificate;
    int count = 0;

    if (strlen(pem) > CHAIN_MOST_BYTES)
        return err_set(err, ERR_UNTRUSTED, "a certificate text is longer than %d bytes",
                       CHAIN_MOST_BYTES);
    bio = BIO_new_mem_buf(pem, -1);
    if (bio == NULL)
        return crypto_failed(err, ERR_LOCAL, "read a certificate");
    while ((certificate = PEM_read_bio_X509(bio, NULL, crypto_no_password, NULL)) != NULL) {
        count++;
        if (!add_certificate(certificates, certificate, err))
            return false;
    }
    /* After the last certificate the error is "no start line". Any other error means damaged
     * input. */
    if (count == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return crypto_failed(err, ERR_UNTRUSTED, "read a certificate");
    ERR_clear_error();
    return true;
}

bool chain_parse_all(const struct text_list *texts, STACK_OF(X509) * certificates, struct err *err)
{
    for (size_t i = 0; i < texts->count; i++)
        if (!chain_parse(texts->items[i], certificates, err))
            return false;
    return true;
}

bool chain_is_top(STACK_OF(X509) * certificates, X509 *certificate)
{
    /* Two certificates of one root key have issued each other; both are tops. */
    if (X509_self_signed(certificate, 0) == 1)
        return true;
    for (int i = 0; i < sk_X509_num(certificates); i++) {
        X509 *other = sk_X509_value(certificates, i);

        if (X509_cmp(other, certificate) != 0 && X509_check_issued(other, certificate) == X509_V_OK)
            return false;
    }
    return true;
}

static bool has_root(STACK_OF(X509) * certificates)
{
    for (int i = 0; i < sk_X509_num(certificates); i++)
        if (X509_self_signed(sk_X509_value(certificates, i), 0) == 1)
            return true;
    return false;
}

bool chain_share(STACK_OF(X509) * to, X509 *certificate, int flags)
{
    int count = sk_X509_num(to);

    if (X509_add_cert(to, certificate, flags) != 1)
        return false;
    return sk_X509_num(to) == count || X509_up_ref(certificate) == 1;
}

bool chain_share_all(STACK_OF(X509) * to, STACK_OF(X509) * from, int flags)
{
    for (int i = 0; i < sk_X509_num(from); i++)
        if (!chain_share(to, sk_X509_value(from, i), flags))
            return false;
    return true;
}

bool chain_to_pem(struct text_list *list, struct arena *arena, X509 *certificate)
{
    CLEANUP(cleanup_bio) BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long length;

    if (bio == NULL || PEM_write_bio_X509(bio, certificate) != 1)
        return false;
    length = BIO_get_mem_data(bio, &text);
    return length > 0 && text_list_add(list, arena, text, (size_t)length);
}

/* -- cache of parsed CA certificates --------------------------------------------------------------
 */

enum { ENTRIES = 32 };

struct entry {
    char *pem;
    X509 *certificate;
    X509 *signer; /* the issuer whose key verified its signature; NULL: not verified yet */
};

struct ca_cache {
    pthread_mutex_t lock;
    struct entry entries[ENTRIES];
    unsigned oldest; /* the entry that is replaced next */
};

struct ca_cache *ca_cache_new(void)
{
    struct ca_cache *cache = calloc(1, sizeof *cache);

    if (cache != NULL)
        pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

static void clear(struct entry *entry)
{
    free(entry->pem);
    X509_free(entry->certificate);
    X509_free(entry->signer);
    *entry = (struct entry){0};
}

void ca_cache_free(struct ca_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < ENTRIES; i++)
        clear(&cache->entries[i]);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* A new reference of the certificate that was parsed from this text, or NULL. */
static X509 *look_up(struct ca_cache *cache, const char *pem)
{
    X509 *found = NULL;

    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < ENTRIES && found == NULL; i++)
        if (cache->entries[i].pem != NULL && strcmp(cache->entries[i].pem, pem) == 0 &&
            X509_up_ref(cache->entries[i].certificate) == 1)
            found = cache->entries[i].certificate;
    pthread_mutex_unlock(&cache->lock);
    return found;
}

/* libcrypto decodes the key once, when it parses the certificate, and the extensions once, at their
 * first use. If memory runs out then, the certificate stays invalid, so it must not be cached. */
static bool is_decoded(X509 *certificate)
{
    return X509_check_purpose(certificate, -1, 0) == 1 && X509_get0_pubkey(certificate) != NULL &&
           shortage_noted() == 0;
}

static void remember(struct ca_cache *cache, const char *pem, X509 *certificate)
{
    char *copy = is_decoded(certificate) ? strdup(pem) : NULL;

    if (copy == NULL || X509_up_ref(certificate) != 1) {
        free(copy);
        return;
    }
    pthread_mutex_lock(&cache->lock);
    clear(&cache->entries[cache->oldest]);
    cache->entries[cache->oldest] = (struct entry){.pem = copy, .certificate = certificate};
    cache->oldest = (cache->oldest + 1) % ENTRIES;
    pthread_mutex_unlock(&cache->lock);
}

bool ca_cache_parse(struct ca_cache *cache, const char *pem, STACK_OF(X509) * certificates,
                    struct err *err)
{
    int before = sk_X509_num(certificates);
    X509 *known = cache == NULL ? NULL : look_up(cache, pem);

    if (known != NULL)
        return add_certificate(certificates, known, err);
    if (!chain_parse(pem, certificates, err))
        return false;
    /* A text with several certificates is rare, and parsed each time. */
    if (cache != NULL && sk_X509_num(certificates) == before + 1)
        remember(cache, pem, sk_X509_value(certificates, before));
    return true;
}

bool chain_read_anchors(struct ca_cache *cache, const char *path, STACK_OF(X509) * anchors,
                        struct err *err)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = CHAIN_MOST_BYTES};

    if (!file_read_trusted(path, &bytes, err))
        return err_wrap(err, "trust_anchor");
    if (ca_cache_parse(cache, bytes_text(&bytes), anchors, err))
        return true;
    err->kind = ERR_LOCAL;
    return err_wrap(err, "trust_anchor: %s", path);
}

/* The entry holds a reference of both, so that comparing pointers is sufficient. */
static bool has_signed_before(struct ca_cache *cache, const X509 *issuer, const X509 *certificate)
{
    bool has = false;

    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < ENTRIES && !has; i++)
        has = cache->entries[i].certificate == certificate && cache->entries[i].signer == issuer;
    pthread_mutex_unlock(&cache->lock);
    return has;
}

static void note_signed(struct ca_cache *cache, X509 *issuer, const X509 *certificate)
{
    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < ENTRIES; i++) {
        struct entry *entry = &cache->entries[i];

        if (entry->certificate != certificate || entry->signer == issuer ||
            X509_up_ref(issuer) != 1)
            continue;
        X509_free(entry->signer);
        entry->signer = issuer;
    }
    pthread_mutex_unlock(&cache->lock);
}

/* -- verification ---------------------------------------------------------------------------------
 */

static X509_STORE *store_of(STACK_OF(X509) * trusted)
{
    X509_STORE *store = X509_STORE_new();

    for (int i = 0; store != NULL && i < sk_X509_num(trusted); i++) {
        if (X509_STORE_add_cert(store, sk_X509_value(trusted, i)) != 1) {
            X509_STORE_free(store);
            return NULL;
        }
    }
    return store;
}

/* The app data of the X509_STORE_CTX. */
struct verification {
    struct ca_cache *cache;
    X509_STORE_CTX_verify_fn verify; /* libcrypto's own function */
    time_t at_s;
};

static bool is_current(const X509 *certificate, time_t at_s)
{
    return X509_cmp_time(X509_get0_notBefore(certificate), &at_s) < 0 &&
           X509_cmp_time(X509_get0_notAfter(certificate), &at_s) > 0;
}

/* Whether all issuers on the path are valid now and each was verified with the next one before. */
static bool are_issuers_known(const struct verification *verification, STACK_OF(X509) * path)
{
    int last = sk_X509_num(path) - 1;

    for (int i = 1; i <= last; i++)
        if (!is_current(sk_X509_value(path, i), verification->at_s) ||
            (i < last && !has_signed_before(verification->cache, sk_X509_value(path, i + 1),
                                            sk_X509_value(path, i))))
            return false;
    return true;
}

/*
 * Replaces the last step of libcrypto's verification, which checks dates and signatures of the path
 * that libcrypto has built. If all issuers were verified before, only the leaf is checked. In every
 * other case, and after every failure, libcrypto's own function decides.
 */
static int verify_signatures(X509_STORE_CTX *context)
{
    const struct verification *verification = X509_STORE_CTX_get_app_data(context);
    STACK_OF(X509) *path = X509_STORE_CTX_get0_chain(context);
    X509 *leaf = sk_X509_value(path, 0), *issuer = sk_X509_value(path, 1);
    int good;

    if (issuer != NULL && are_issuers_known(verification, path) &&
        is_current(leaf, verification->at_s) && X509_check_issued(issuer, leaf) == X509_V_OK &&
        X509_verify(leaf, X509_get0_pubkey(issuer)) == 1)
        return 1;
    good = verification->verify(context);
    for (int i = 1; good == 1 && i < sk_X509_num(path) - 1; i++)
        note_signed(verification->cache, sk_X509_value(path, i + 1), sk_X509_value(path, i));
    return good;
}

bool chain_verify(struct ca_cache *cache, X509 *leaf, STACK_OF(X509) * untrusted,
                  STACK_OF(X509) * trusted, uint64_t at_s, STACK_OF(X509) * path, struct err *err)
{
    CLEANUP(cleanup_x509_store) X509_STORE *store = store_of(trusted);
    CLEANUP(cleanup_x509_store_context) X509_STORE_CTX *context = X509_STORE_CTX_new();
    struct verification verification = {.cache = cache, .at_s = (time_t)at_s};
    X509_VERIFY_PARAM *parameters;
    int why, depth;

    if (store == NULL || context == NULL ||
        X509_STORE_CTX_init(context, store, leaf, untrusted) != 1)
        return crypto_failed(err, ERR_LOCAL, "set up the verification of a chain");
    parameters = X509_STORE_CTX_get0_param(context);
    if (!has_root(trusted))
        X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_time(parameters, verification.at_s);
    X509_VERIFY_PARAM_set_auth_level(parameters, LEAST_STRENGTH_LEVEL);
    X509_VERIFY_PARAM_set_depth(parameters, CHAIN_MOST_ON_PATH);
    if (cache != NULL && X509_STORE_CTX_set_app_data(context, &verification) == 1) {
        verification.verify = X509_STORE_CTX_get_verify(context);
        X509_STORE_CTX_set_verify(context, verify_signatures);
    }
    if (X509_verify_cert(context) == 1)
        return chain_share_all(path, X509_STORE_CTX_get0_chain(context), X509_ADD_FLAG_DEFAULT) ||
               err_memory(err);
    why = X509_STORE_CTX_get_error(context);
    depth = X509_STORE_CTX_get_error_depth(context);
    ERR_clear_error();
    if (why == X509_V_ERR_OUT_OF_MEM)
        return err_memory(err);
    return err_set(err, ERR_UNTRUSTED, "its chain does not verify: %s (certificate %d of the path)",
                   X509_verify_cert_error_string(why), depth);
}
