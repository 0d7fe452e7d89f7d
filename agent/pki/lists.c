#include "pki/lists.h"

#include "base/clock.h"
#include "pki/certificate.h"
#include "pki/crypto.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <string.h>

static void free_lists(STACK_OF(X509_CRL) * lists)
{
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
}

DEFINE_CLEANUP(cleanup_lists, STACK_OF(X509_CRL) *, free_lists)

struct choice {
    const struct lists_order *order;
    STACK_OF(X509_CRL) * given;
    STACK_OF(X509_CRL) * chosen; /* borrows from `given` */
    struct arena *arena;
    uint64_t end_s;
};

/* Adds every list in a PEM text. */
static bool parse(const char *pem, STACK_OF(X509_CRL) * lists, struct err *err)
{
    CLEANUP(cleanup_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
    X509_CRL *list;
    int count = 0;

    if (bio == NULL)
        return err_memory(err);
    while ((list = PEM_read_bio_X509_CRL(bio, NULL, crypto_no_password, NULL)) != NULL) {
        count++;
        if (sk_X509_CRL_push(lists, list) <= 0) {
            X509_CRL_free(list);
            return err_memory(err);
        }
    }
    /* After the last list the error is "no start line". */
    if (count == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return crypto_failed(err, ERR_UNTRUSTED, "read a revocation list");
    ERR_clear_error();
    return true;
}

static bool is_of(X509_CRL *list, X509 *ca)
{
    EVP_PKEY *key = X509_get0_pubkey(ca);

    return X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(ca)) == 0 &&
           X509_CRL_get_ext_by_NID(list, NID_delta_crl, -1) < 0 && key != NULL &&
           X509_CRL_verify(list, key) == 1;
}

static bool times_of(const X509_CRL *list, struct validity *ret_times)
{
    const ASN1_TIME *end = X509_CRL_get0_nextUpdate(list);

    return end != NULL &&
           certificate_moment(X509_CRL_get0_lastUpdate(list), &ret_times->not_before) &&
           certificate_moment(end, &ret_times->not_after);
}

/* The latest list of the CA that is valid now, or NULL. *ret_seen has the times of the latest one,
 * valid or not; {0}: there is none. */
static X509_CRL *latest_of(const struct choice *choice, X509 *ca, struct validity *ret_seen)
{
    uint64_t now_s = choice->order->now_s, since_s = 0;
    X509_CRL *latest = NULL;

    *ret_seen = (struct validity){0};
    for (int i = 0; i < sk_X509_CRL_num(choice->given); i++) {
        X509_CRL *list = sk_X509_CRL_value(choice->given, i);
        struct validity times;

        if (!is_of(list, ca) || !times_of(list, &times))
            continue;
        if (times.not_after > ret_seen->not_after)
            *ret_seen = times;
        if (times.not_before <= now_s && times.not_after > now_s && times.not_before >= since_s) {
            since_s = times.not_before;
            latest = list;
        }
    }
    return latest;
}

static bool is_chosen(const struct choice *choice, const X509_CRL *list)
{
    for (int i = 0; i < sk_X509_CRL_num(choice->chosen); i++)
        if (X509_CRL_match(sk_X509_CRL_value(choice->chosen, i), list) == 0)
            return true;
    return false;
}

/* Certificates of one CA share its list. */
static bool take(struct choice *choice, X509_CRL *list, struct err *err)
{
    struct validity times;

    if (is_chosen(choice, list))
        return true;
    if (sk_X509_CRL_push(choice->chosen, list) <= 0)
        return err_memory(err);
    if (times_of(list, &times))
        choice->end_s = duration_shorter(choice->end_s, times.not_after);
    return true;
}

static bool say_missing(const struct choice *choice, const X509 *ca, const struct validity *seen,
                        struct err *err)
{
    const char *name = certificate_name(X509_get_subject_name(ca), choice->arena);
    char begin[WHEN_TEXT_BYTES], end[WHEN_TEXT_BYTES];

    if (name == NULL)
        return err_memory(err);
    clock_text(seen->not_before, begin);
    clock_text(seen->not_after, end);
    if (seen->not_after == 0)
        return err_set(err, ERR_REFUSED,
                       "there is no revocation list of %s, and programs that check the whole path "
                       "would refuse every peer; let the CA make one (crl/rotate), or name its "
                       "mount in crl_mounts, or its list in "
                       "crl_file",
                       name);
    if (seen->not_after <= choice->order->now_s)
        return err_set(err, ERR_REFUSED,
                       "the revocation list of %s has ended at %s; let the CA write a new one "
                       "(config/crl with auto_rebuild), or renew crl_file",
                       name, end);
    return err_set(err, ERR_REFUSED,
                   "the revocation list of %s begins at %s; is this machine's clock right?", name,
                   begin);
}

static bool take_required(struct choice *choice, struct err *err)
{
    for (int i = 0; i < sk_X509_num(choice->order->required); i++) {
        X509 *ca = sk_X509_value(choice->order->required, i);
        struct validity seen;
        X509_CRL *list = latest_of(choice, ca, &seen);

        if (list == NULL)
            return say_missing(choice, ca, &seen, err);
        if (!take(choice, list, err))
            return false;
    }
    return true;
}

static bool take_others(struct choice *choice, const char **ret_without, struct err *err)
{
    *ret_without = "";
    for (int i = 0; i < sk_X509_num(choice->order->others); i++) {
        X509 *ca = sk_X509_value(choice->order->others, i);
        struct validity seen;
        X509_CRL *list = latest_of(choice, ca, &seen);

        if (list != NULL && !take(choice, list, err))
            return false;
        if (list == NULL)
            *ret_without = certificate_name(X509_get_subject_name(ca), choice->arena);
        if (*ret_without == NULL)
            return err_memory(err);
    }
    return true;
}

static bool to_pem(const struct choice *choice, struct text_list *ret_pem, struct err *err)
{
    size_t total = 0;

    for (int i = 0; i < sk_X509_CRL_num(choice->chosen); i++) {
        CLEANUP(cleanup_bio) BIO *bio = BIO_new(BIO_s_mem());
        char *text;
        long length;

        if (bio == NULL || PEM_write_bio_X509_CRL(bio, sk_X509_CRL_value(choice->chosen, i)) != 1)
            return err_memory(err);
        length = BIO_get_mem_data(bio, &text);
        total += (size_t)length;
        if (total > LISTS_MOST_BYTES)
            return err_set(err, ERR_REFUSED,
                           "the revocation lists are longer than %d bytes; let the CA tidy them",
                           LISTS_MOST_BYTES);
        if (!text_list_add(ret_pem, choice->arena, text, (size_t)length))
            return err_memory(err);
    }
    return true;
}

bool lists_choose(const struct lists_order *order, struct arena *arena, struct text_list *ret_pem,
                  uint64_t *ret_end_s, const char **ret_without, struct err *err)
{
    CLEANUP(cleanup_lists) STACK_OF(X509_CRL) *given = sk_X509_CRL_new_null();
    STACK_OF(X509_CRL) *chosen = sk_X509_CRL_new_null();
    struct choice choice = {order, given, chosen, arena, UINT64_MAX};
    bool done = (given != NULL && chosen != NULL) || err_memory(err);

    for (size_t i = 0; done && i < order->given->count; i++)
        done = parse(order->given->items[i], given, err);
    done = done && take_required(&choice, err) && take_others(&choice, ret_without, err) &&
           to_pem(&choice, ret_pem, err);
    sk_X509_CRL_free(chosen);
    ERR_clear_error();
    *ret_end_s = choice.end_s;
    return done;
}
