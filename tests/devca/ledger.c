#include "ledger.h"

#include "base/clock.h"

#include "moment.h"
#include "must.h"
#include "owned.h"
#include "pem.h"

#include <ctype.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { CRL_LIFE_S = 3 * 86400 };

static int compare_serials(const void *a, const void *b)
{
    return strcmp(((const struct ledger_entry *)a)->serial,
                  ((const struct ledger_entry *)b)->serial);
}

static uint64_t not_after_of(const X509 *certificate)
{
    struct tm parts;

    MUST(ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) == 1);
    return (uint64_t)timegm(&parts);
}

struct ledger_entry *ledger_add(struct ledger *ledger, X509 *certificate,
                                const struct authority *issuer)
{
    struct arena arena = {0};
    const char *serial = pem_serial(&arena, certificate);
    struct ledger_entry *entry = ledger_find(ledger, serial);

    if (entry == NULL) {
        entry = calloc(1, sizeof *entry);
        MUST(entry != NULL && strlen(serial) < sizeof entry->serial);
        memcpy(entry->serial, serial, strlen(serial) + 1);
        entry->issuer = issuer;
        entry->not_after_s = not_after_of(certificate);
        entry->pem = strdup(pem_certificate(&arena, certificate));
        MUST(entry->pem != NULL && tsearch(entry, &ledger->tree, compare_serials) != NULL);
    }
    arena_free(&arena);
    return entry;
}

struct ledger_entry *ledger_find(const struct ledger *ledger, const char *serial)
{
    struct ledger_entry wanted;
    struct ledger_entry **found;
    size_t length = strlen(serial);

    if (length >= sizeof wanted.serial)
        return NULL;
    for (size_t i = 0; i <= length; i++)
        wanted.serial[i] = serial[i] == '-' ? ':' : (char)tolower((unsigned char)serial[i]);
    found = tfind(&wanted, &ledger->tree, compare_serials);
    return found == NULL ? NULL : *found;
}

struct listing {
    X509_CRL *crl;
    const struct authority *issuer;
    bool everything;
};

static void list_revoked(const void *node, VISIT visit, void *arg)
{
    const struct ledger_entry *entry = *(const struct ledger_entry *const *)node;
    const struct listing *listing = arg;
    CLEANUP(drop_bignum) BIGNUM *number = NULL;
    CLEANUP(drop_integer) ASN1_INTEGER *serial = NULL;
    CLEANUP(drop_time) ASN1_TIME *when = NULL;
    X509_REVOKED *revoked;
    char hex[SERIAL_TEXT_BYTES];
    size_t used = 0;

    if ((visit != postorder && visit != leaf) || entry->issuer != listing->issuer ||
        (entry->revoked == 0 && !listing->everything))
        return;
    for (const char *at = entry->serial; *at != '\0'; at++)
        if (*at != ':')
            hex[used++] = *at;
    hex[used] = '\0';
    MUST(BN_hex2bn(&number, hex) > 0);
    serial = BN_to_ASN1_INTEGER(number, NULL);
    when = ASN1_TIME_set(NULL, (time_t)(entry->revoked / MOMENT_SECOND));
    revoked = X509_REVOKED_new();
    MUST(serial != NULL && when != NULL && revoked != NULL &&
         X509_REVOKED_set_serialNumber(revoked, serial) == 1 &&
         X509_REVOKED_set_revocationDate(revoked, when) == 1 &&
         X509_CRL_add0_revoked(listing->crl, revoked) == 1);
}

static void add_crl_extensions(X509_CRL *crl, const struct authority *issuer)
{
    CLEANUP(drop_authority_key_id) AUTHORITY_KEYID *key_id = AUTHORITY_KEYID_new();
    CLEANUP(drop_integer) ASN1_INTEGER *number = ASN1_INTEGER_new();

    MUST(key_id != NULL && number != NULL);
    key_id->keyid = ASN1_OCTET_STRING_dup(X509_get0_subject_key_id(issuer->certificate));
    MUST(key_id->keyid != NULL && ASN1_INTEGER_set_uint64(number, moment_now()) == 1 &&
         X509_CRL_add1_ext_i2d(crl, NID_authority_key_identifier, key_id, 0, X509V3_ADD_DEFAULT) ==
             1 &&
         X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, X509V3_ADD_DEFAULT) == 1);
}

static X509_CRL *make_crl(const struct ledger *ledger, const struct authority *issuer,
                          const struct authority *signer, bool everything)
{
    uint64_t life_s = ledger->list_life_s == 0 ? CRL_LIFE_S : ledger->list_life_s;
    struct listing listing = {X509_CRL_new(), issuer, everything};
    uint64_t now_s = clock_now_s();
    CLEANUP(drop_time) ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)now_s);
    CLEANUP(drop_time) ASN1_TIME *to = ASN1_TIME_set(NULL, (time_t)(now_s + life_s));

    MUST(listing.crl != NULL && from != NULL && to != NULL &&
         X509_CRL_set_version(listing.crl, X509_CRL_VERSION_2) == 1 &&
         X509_CRL_set_issuer_name(listing.crl, X509_get_subject_name(issuer->certificate)) == 1 &&
         X509_CRL_set1_lastUpdate(listing.crl, from) == 1 &&
         X509_CRL_set1_nextUpdate(listing.crl, to) == 1);
    twalk_r(ledger->tree, list_revoked, &listing);
    add_crl_extensions(listing.crl, issuer);
    MUST(X509_CRL_sort(listing.crl) == 1 &&
         X509_CRL_sign(listing.crl, signer->key, EVP_sha256()) > 0);
    return listing.crl;
}

static struct ledger_list *list_of(struct ledger *ledger, const struct authority *issuer)
{
    for (size_t i = 0; i < ledger->list_count; i++)
        if (ledger->lists[i].issuer == issuer)
            return &ledger->lists[i];
    ledger->lists = realloc(ledger->lists, (ledger->list_count + 1) * sizeof *ledger->lists);
    MUST(ledger->lists != NULL);
    ledger->lists[ledger->list_count] = (struct ledger_list){.issuer = issuer};
    return &ledger->lists[ledger->list_count++];
}

struct counting {
    const struct authority *issuer;
    size_t revoked;
};

static void count_revoked(const void *node, VISIT visit, void *arg)
{
    const struct ledger_entry *entry = *(const struct ledger_entry *const *)node;
    struct counting *counting = arg;

    counting->revoked += (visit == postorder || visit == leaf) &&
                         entry->issuer == counting->issuer && entry->revoked != 0;
}

X509_CRL *ledger_crl(struct ledger *ledger, const struct authority *issuer)
{
    struct ledger_list *list = list_of(ledger, issuer);
    struct counting counting = {.issuer = issuer};
    uint64_t now_s = clock_now_s();

    twalk_r(ledger->tree, count_revoked, &counting);
    if (list->crl == NULL || list->revoked != counting.revoked ||
        list->life_s != ledger->list_life_s ||
        (!ledger->lists_are_old &&
         now_s >= list->made_s + (list->life_s == 0 ? CRL_LIFE_S : list->life_s) / 2)) {
        X509_CRL_free(list->crl);
        *list = (struct ledger_list){.issuer = issuer,
                                     .crl = make_crl(ledger, issuer, issuer, false),
                                     .revoked = counting.revoked,
                                     .made_s = now_s,
                                     .life_s = ledger->list_life_s};
    }
    MUST(X509_CRL_up_ref(list->crl) == 1);
    return list->crl;
}

X509_CRL *ledger_forge_crl(const struct ledger *ledger, const struct authority *issuer,
                           const struct authority *signer)
{
    return make_crl(ledger, issuer, signer, true);
}

static void free_entry(void *one)
{
    struct ledger_entry *entry = one;

    free(entry->pem);
    free(entry);
}

void ledger_close(struct ledger *ledger)
{
    tdestroy(ledger->tree, free_entry);
    ledger->tree = NULL;
    for (size_t i = 0; i < ledger->list_count; i++)
        X509_CRL_free(ledger->lists[i].crl);
    free(ledger->lists);
}
