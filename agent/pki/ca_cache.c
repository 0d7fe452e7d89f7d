#include "pki/ca_cache.h"

#include "base/err.h"
#include "pki/chain.h"
#include "pki/crypto.h"

#include <pthread.h>
#include <string.h>

enum { ENTRIES = 8 };

struct entry {
    char *pem;
    X509 *certificate;
};

struct ca_cache {
    pthread_mutex_t lock;
    struct entry entries[ENTRIES];
    unsigned oldest; /* the entry that goes next */
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

/* A reference of the certificate that this text was parsed to, or NULL. */
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

/* libcrypto decodes the key once, while it parses, and the extensions once, when they are looked at
 * first. What it could not decode for want of memory it takes for bad ever after. */
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
    cache->entries[cache->oldest] = (struct entry){copy, certificate};
    cache->oldest = (cache->oldest + 1) % ENTRIES;
    pthread_mutex_unlock(&cache->lock);
}

bool ca_cache_parse(struct ca_cache *cache, const char *pem, STACK_OF(X509) * certificates,
                    struct err *err)
{
    int before = sk_X509_num(certificates);
    X509 *known = cache == NULL ? NULL : look_up(cache, pem);

    if (known != NULL)
        return chain_add(certificates, known, err);
    if (!chain_parse(pem, certificates, err))
        return false;
    /* Texts of several certificates are the exception and are parsed each time. */
    if (cache != NULL && sk_X509_num(certificates) == before + 1)
        remember(cache, pem, sk_X509_value(certificates, before));
    return true;
}
