#include "pki/bundle.h"

#include "base/bytes.h"
#include "base/file.h"
#include "pki/chain.h"
#include "pki/crypto.h"
#include "pki/lists.h"
#include "pki/path.h"

#include <openssl/err.h>

#include <string.h>

struct gathering {
    const struct bundle_order *order;
    STACK_OF(X509) * anchors;
    STACK_OF(X509) * trusted; /* anchors, then the certificates on valid paths */
    STACK_OF(X509) * first;   /* the certificates on the paths of the first issuer */
    STACK_OF(X509) * others;  /* on those of the others */
    struct issued *issued;
    struct err failure; /* of the first issuer that was left out; its kind is ERR_NONE: none */
};

static bool is_valid_now(const struct gathering *gathering, const X509 *certificate)
{
    struct validity validity;

    return certificate_validity(certificate, &validity) &&
           validity.not_before <= gathering->order->now_s &&
           vet_lasts(validity.not_after, gathering->order->now_s);
}

/* Adds a certificate of a valid path to those whose lists are needed. */
static bool note_on_path(struct gathering *gathering, X509 *certificate, struct err *err)
{
    STACK_OF(X509) *to = gathering->issued->leaf_pem == NULL ? gathering->first : gathering->others;

    return chain_has(gathering->first, certificate) || chain_has(to, certificate) ||
           chain_share(to, certificate, X509_ADD_FLAG_DEFAULT) || err_memory(err);
}

static bool share(struct gathering *gathering, X509 *certificate, struct err *err)
{
    if (chain_has(gathering->trusted, certificate))
        return true;
    if (sk_X509_num(gathering->trusted) >= CHAIN_MOST_CERTIFICATES)
        return err_set(err, ERR_REFUSED,
                       "the trust anchors and the issuers are more than %d certificates; name one "
                       "issuer of the mount with issuer",
                       CHAIN_MOST_CERTIFICATES);
    return chain_share(gathering->trusted, certificate, X509_ADD_FLAG_DEFAULT) || err_memory(err);
}

/* An anchor that is not valid now helps no peer. */
static bool share_anchors(struct gathering *gathering, struct err *err)
{
    for (int i = 0; i < sk_X509_num(gathering->anchors); i++) {
        X509 *anchor = sk_X509_value(gathering->anchors, i);

        if (is_valid_now(gathering, anchor) && !share(gathering, anchor, err))
            return false;
    }
    return true;
}

/* The first verified issuer stands for the set. */
static bool take_first(struct gathering *gathering, X509 *issuer, X509 *first_to_end,
                       uint64_t end_s, struct err *err)
{
    struct issued *issued = gathering->issued;
    struct text_list pem = {0};

    if (issued->leaf_pem != NULL)
        return true;
    if (!certificate_facts_of(issuer, &issued->arena, &issued->leaf, err))
        return false;
    issued->first_to_end = certificate_name(X509_get_subject_name(first_to_end), &issued->arena);
    if (issued->first_to_end == NULL || !chain_to_pem(&pem, &issued->arena, issuer))
        return err_memory(err);
    issued->leaf_pem = pem.items[0];
    issued->end_s = issued->soonest_end_s = issued->issuers_end_s = end_s;
    return true;
}

/* Paths to other tops prove nothing here. */
static bool take_paths(struct gathering *gathering, X509 *issuer, const struct paths *paths,
                       struct err *err)
{
    const struct path *best = &paths->items[0];

    for (size_t i = 0; i < paths->count; i++) {
        STACK_OF(X509) *path = paths->items[i].certificates;

        if (!paths->items[i].is_anchored)
            continue;
        for (int k = 0; k < sk_X509_num(path); k++)
            if (!share(gathering, sk_X509_value(path, k), err) ||
                !note_on_path(gathering, sk_X509_value(path, k), err))
                return false;
    }
    return take_first(gathering, issuer, path_first_to_end(best), best->end_s, err);
}

static bool vet_issuer(struct gathering *gathering, X509 *issuer, STACK_OF(X509) * sent,
                       struct err *err)
{
    CLEANUP(paths_free) struct paths paths = {0};
    const struct path_order order = {
        .leaf = issuer,
        .sent = sent,
        .anchors = gathering->anchors,
        .at_s = gathering->order->now_s,
        .cache = gathering->order->cache,
    };
    struct validity validity;

    if (X509_check_ca(issuer) == 0)
        return err_set(err, ERR_UNTRUSTED, "it is no CA certificate");
    if (!is_valid_now(gathering, issuer) || !certificate_validity(issuer, &validity))
        return err_set(err, ERR_UNTRUSTED, "it is not valid now");
    /* An anchor needs no path; it was added with the others. */
    if (chain_has(gathering->anchors, issuer))
        return note_on_path(gathering, issuer, err) &&
               take_first(gathering, issuer, issuer, validity.not_after, err);
    return paths_find(&order, &paths, err) && take_paths(gathering, issuer, &paths, err);
}

static void note_left_out(struct gathering *gathering, const X509 *issuer, const struct err *err)
{
    struct arena *arena = &gathering->issued->arena;
    const char *name = certificate_name(X509_get_subject_name(issuer), arena);

    if (gathering->failure.kind != ERR_NONE || name == NULL)
        return;
    gathering->failure = *err;
    err_wrap(&gathering->failure, "the issuer %s does not end at a certificate of %s", name,
             gathering->order->trust_anchor);
}

/* Vets one issuer. One that is not trusted is left out. */
static bool take_issuer(struct gathering *gathering, const char *pem, struct err *err)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *sent = sk_X509_new_null();
    CLEANUP(cleanup_x509) X509 *issuer = NULL;

    if (sent == NULL)
        return err_memory(err);
    if (!chain_parse(pem, sent, err))
        return err_wrap(err, "an issuer");
    issuer = sk_X509_shift(sent);
    if (vet_issuer(gathering, issuer, sent, err))
        return true;
    if (err->kind != ERR_UNTRUSTED)
        return false;
    note_left_out(gathering, issuer, err);
    return true;
}

/* Adds the lists of crl_file to those of the CA. */
static bool read_lists(const struct bundle_order *order, struct arena *arena,
                       struct text_list *lists, struct err *err)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = LISTS_MOST_BYTES};

    for (size_t i = 0; i < order->lists->count; i++)
        if (!text_list_add(lists, arena, order->lists->items[i], strlen(order->lists->items[i])))
            return err_memory(err);
    if (order->crl_file == NULL)
        return true;
    if (!file_read_trusted(order->crl_file, &bytes, err))
        return err_wrap(err, "crl_file");
    return text_list_add(lists, arena, bytes_text(&bytes), bytes.length) || err_memory(err);
}

static bool keep_lists(struct gathering *gathering, struct err *err)
{
    struct issued *issued = gathering->issued;
    struct text_list given = {0};
    const struct lists_order order = {.required = gathering->first,
                                      .others = gathering->others,
                                      .given = &given,
                                      .now_s = gathering->order->now_s};
    struct arena arena = {0};
    const char *without = "";
    uint64_t end_s = 0;
    bool kept = read_lists(gathering->order, &arena, &given, err) &&
                lists_choose(&order, &issued->arena, &issued->crl_pem, &end_s, &without, err);

    arena_free(&arena);
    if (!kept)
        return false;
    issued->end_s = duration_shorter(issued->end_s, end_s);
    if (without[0] != '\0' && issued->left_out[0] == '\0')
        issued->left_out = arena_format(
            &issued->arena,
            "there is no valid revocation list of %s, an issuer that is not the first: programs "
            "that check the whole path refuse its certificates",
            without);
    return issued->left_out != NULL || err_memory(err);
}

static bool keep(struct gathering *gathering, struct err *err)
{
    struct issued *issued = gathering->issued;

    issued->odd_subject = "";
    issued->left_out = arena_copy(&issued->arena, gathering->failure.text);
    if (issued->left_out != NULL && issued->left_out[0] != '\0')
        issued->left_out =
            arena_format(&issued->arena, "%s; its certificates are left out", issued->left_out);
    if (issued->left_out == NULL)
        return err_memory(err);
    if (gathering->order->lists != NULL && !keep_lists(gathering, err))
        return false;
    for (int i = 0; i < sk_X509_num(gathering->trusted); i++)
        if (!chain_to_pem(&issued->ca_pem, &issued->arena, sk_X509_value(gathering->trusted, i)))
            return err_memory(err);
    return true;
}

static bool gather(struct gathering *gathering, const struct text_list *issuers, struct err *err)
{
    if (!chain_read_anchors(gathering->order->cache, gathering->order->trust_anchor,
                            gathering->anchors, err) ||
        !share_anchors(gathering, err))
        return false;
    for (size_t i = 0; i < issuers->count; i++)
        if (!take_issuer(gathering, issuers->items[i], err))
            return false;
    if (gathering->issued->leaf_pem != NULL)
        return keep(gathering, err);
    *err = gathering->failure;
    return err->kind != ERR_NONE ? false : err_set(err, ERR_UNTRUSTED, "the CA named no issuer");
}

bool bundle_vet(const struct bundle_order *order, const struct text_list *issuers,
                struct issued *ret_issued, struct err *err)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *anchors = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *trusted = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *first = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *others = sk_X509_new_null();
    struct gathering gathering = {.order = order,
                                  .anchors = anchors,
                                  .trusted = trusted,
                                  .first = first,
                                  .others = others,
                                  .issued = ret_issued};
    bool passed;

    *ret_issued = (struct issued){.request_id = ""};
    if (anchors == NULL || trusted == NULL || first == NULL || others == NULL)
        return err_memory(err);
    shortage_forget();
    passed = gather(&gathering, issuers, err);
    ERR_clear_error();
    /* If memory ran out, libcrypto reports a wrong signature. */
    passed = !err_shortage(err) && passed;
    if (!passed)
        issued_free(ret_issued);
    return passed;
}
