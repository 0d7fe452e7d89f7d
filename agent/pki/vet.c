#include "pki/vet.h"

#include "base/clock.h"
#include "base/err.h"
#include "pki/chain.h"
#include "pki/crypto.h"
#include "pki/key.h"
#include "pki/path.h"

#include <openssl/err.h>

#include <string.h>

/* The input of the rules. */
struct vetting {
    const struct vet_order *order;
    X509 *leaf;
    STACK_OF(X509) * sent;    /* issuing CA and chain of the reply */
    STACK_OF(X509) * anchors; /* from the trust_anchor file; empty without one */
    struct paths *paths;      /* the valid paths, the best one first */
    struct certificate_facts facts;
};

typedef bool rule(const struct vetting *vetting, struct err *err);

static bool is_for_our_key(const struct vetting *vetting, struct err *err)
{
    EVP_PKEY *certified = X509_get0_pubkey(vetting->leaf);

    if (certified == NULL || EVP_PKEY_eq(certified, vetting->order->key) != 1)
        return err_set(err, ERR_UNTRUSTED,
                       "it was issued for another key than ours; check that pki_mount names a PKI "
                       "secrets engine, and that no proxy changes what leafd sends to the CA");
    return true;
}

static bool key_is_of_type(const struct vetting *vetting, struct err *err)
{
    if (!key_is_type(vetting->order->key, vetting->order->request->key_type))
        return err_set(err, ERR_REFUSED, "its key is not %s; set key_type to what the role makes",
                       key_type_words[vetting->order->request->key_type]);
    return true;
}

static bool has_all_names(const struct vetting *vetting, struct err *err)
{
    const char *missing = names_missing_san(&vetting->order->request->names, &vetting->facts.names);

    if (missing != NULL)
        return err_set(err, ERR_REFUSED,
                       "the name %s is missing in it; look at the role's use_csr_sans and "
                       "allowed_..., or set request_names = yes",
                       missing);
    return true;
}

/* The CA may add the common name to the DNS names or mail addresses; it was requested as well. */
static bool is_common_name(const struct names *wanted, const char *name)
{
    return wanted->common_name != NULL && strcasecmp(wanted->common_name, name) == 0;
}

static bool has_no_other_names(const struct vetting *vetting, struct err *err)
{
    const struct names *wanted = &vetting->order->request->names, *got = &vetting->facts.names;
    const char *extra = NULL;

    for (size_t i = 0; i < got->dns.count && extra == NULL; i++)
        if (!text_list_has(&wanted->dns, got->dns.items[i]) &&
            !is_common_name(wanted, got->dns.items[i]))
            extra = got->dns.items[i];
    for (size_t i = 0; i < got->email.count && extra == NULL; i++)
        if (!text_list_has(&wanted->email, got->email.items[i]) &&
            !is_common_name(wanted, got->email.items[i]))
            extra = got->email.items[i];
    if (extra == NULL)
        extra = text_list_missing(&got->ip, &wanted->ip);
    if (extra == NULL)
        extra = text_list_missing(&got->uri, &wanted->uri);
    if (extra == NULL && vetting->facts.other_names > 0)
        extra = "of another kind";
    if (extra != NULL)
        return err_set(err, ERR_REFUSED, "it holds the name %s, which was not asked for", extra);
    return true;
}

static bool has_common_name(const struct vetting *vetting, struct err *err)
{
    const char *wanted = vetting->order->request->names.common_name;
    const char *got = vetting->facts.names.common_name;

    /* If no common name was requested, the CA may choose one of the requested names. */
    if (wanted == NULL && (got == NULL || text_list_has(&vetting->order->request->names.dns, got) ||
                           text_list_has(&vetting->order->request->names.email, got)))
        return true;
    if (text_equal(wanted, got))
        return true;
    return err_set(err, ERR_REFUSED,
                   "its common name is not the one that was asked for; look at the role's "
                   "use_csr_common_name");
}

bool vet_lasts(uint64_t end_s, uint64_t now_s)
{
    return end_s >= now_s + VET_LEAST_REMAINING_S;
}

static bool is_not_expired(const struct vetting *vetting, struct err *err)
{
    char end[WHEN_TEXT_BYTES];

    if (vet_lasts(vetting->facts.validity.not_after, vetting->order->now_s))
        return true;
    clock_text(vetting->facts.validity.not_after, end);
    return err_set(err, ERR_UNTRUSTED,
                   "it ended at %s, or is about to; is this machine's clock right, and does the "
                   "CA's own certificate live long enough?",
                   end);
}

enum {
    MOST_AHEAD_S = 24 * 60 * 60
}; /* beyond this, the clock of this machine or of the CA must be wrong */

static bool begins_soon(const struct vetting *vetting, struct err *err)
{
    char begin[WHEN_TEXT_BYTES];

    if (vetting->facts.validity.not_before <= vetting->order->now_s + MOST_AHEAD_S &&
        vetting->facts.validity.not_before < vetting->facts.validity.not_after)
        return true;
    clock_text(vetting->facts.validity.not_before, begin);
    return err_set(err, ERR_UNTRUSTED,
                   "it begins at %s, more than a day from now; is this machine's clock right?",
                   begin);
}

static bool is_no_ca(const struct vetting *vetting, struct err *err)
{
    if (X509_check_ca(vetting->leaf) != 0)
        return err_set(err, ERR_UNTRUSTED, "it is a CA certificate, not a leaf");
    return true;
}

static bool may_sign(const struct vetting *vetting, struct err *err)
{
    /* Without the extension all uses are allowed; X509_get_key_usage(3) then returns UINT32_MAX. */
    if ((X509_get_key_usage(vetting->leaf) & KU_DIGITAL_SIGNATURE) == 0)
        return err_set(err, ERR_REFUSED,
                       "its key usage lacks digitalSignature, without which TLS 1.3 cannot use "
                       "it; look at the role's key_usage");
    return true;
}

static bool may_serve(const struct vetting *vetting, struct err *err)
{
    uint32_t allowed = X509_get_extended_key_usage(vetting->leaf);
    unsigned usage = vetting->order->request->usage;

    if ((usage & USAGE_SERVER) != 0 && (allowed & XKU_SSL_SERVER) == 0)
        return err_set(err, ERR_REFUSED,
                       "its extended key usage lacks serverAuth; look at the role's server_flag");
    if ((usage & USAGE_CLIENT) != 0 && (allowed & XKU_SSL_CLIENT) == 0)
        return err_set(err, ERR_REFUSED,
                       "its extended key usage lacks clientAuth; look at the role's client_flag");
    return true;
}

static bool is_new(const struct vetting *vetting, struct err *err)
{
    if (text_equal(vetting->order->current_serial, vetting->facts.serial))
        return err_set(err, ERR_UNTRUSTED,
                       "it is the certificate that is published already; check that no proxy "
                       "between leafd and the CA caches replies");
    return true;
}

static bool chain_holds(const struct vetting *vetting, struct err *err)
{
    const struct path_order order = {
        .leaf = vetting->leaf,
        .sent = vetting->sent,
        .anchors = vetting->anchors,
        .at_s = vetting->order->now_s > vetting->facts.validity.not_before
                    ? vetting->order->now_s
                    : vetting->facts.validity.not_before,
        .usage = vetting->order->request->usage,
        .cache = vetting->order->cache,
    };

    if (sk_X509_num(vetting->sent) == 0 && sk_X509_num(vetting->anchors) == 0)
        return err_set(err, ERR_UNTRUSTED, "no issuing CA came with it");
    if (paths_find(&order, vetting->paths, err))
        return true;
    if (vetting->order->trust_anchor != NULL && err->kind == ERR_UNTRUSTED)
        return err_wrap(err, "verified against %s", vetting->order->trust_anchor);
    return false;
}

static bool path_lasts(const struct vetting *vetting, struct err *err)
{
    uint64_t end_s = vetting->paths->items[0].end_s;
    char end[WHEN_TEXT_BYTES];

    if (vet_lasts(end_s, vetting->order->now_s))
        return true;
    clock_text(end_s, end);
    return err_set(err, ERR_UNTRUSTED,
                   "a CA certificate of its path ends at %s, in a few seconds; let the CA use "
                   "an issuer that is valid for longer",
                   end);
}

/* The order matters: the first rule that fails gives the error. */
static rule *const rules[] = {
    is_for_our_key, key_is_of_type, has_all_names, has_no_other_names, has_common_name,
    is_not_expired, begins_soon,    is_no_ca,      may_sign,           may_serve,
    is_new,         chain_holds,    path_lasts,
};

static bool parse_leaf(struct vetting *vetting, const char *pem, struct arena *arena,
                       struct err *err)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *found = sk_X509_new_null();

    if (found == NULL)
        return err_memory(err);
    if (pem == NULL)
        return err_set(err, ERR_UNTRUSTED, "there is no certificate in it");
    if (!chain_parse(pem, found, err))
        return false;
    if (sk_X509_num(found) != 1)
        return err_set(err, ERR_UNTRUSTED, "it holds %d certificates in place of one",
                       sk_X509_num(found));
    vetting->leaf = sk_X509_pop(found);
    return certificate_facts_of(vetting->leaf, arena, &vetting->facts, err);
}

/* Removes the leaf from the received CA certificates, if it is among them. */
static void drop_leaf(const struct vetting *vetting)
{
    for (int i = sk_X509_num(vetting->sent); i-- > 0;)
        if (X509_cmp(sk_X509_value(vetting->sent, i), vetting->leaf) == 0)
            X509_free(sk_X509_delete(vetting->sent, i));
}

static bool parse_chain(struct vetting *vetting, const struct vet_reply *reply, struct err *err)
{
    struct ca_cache *cache = vetting->order->cache;
    size_t bytes = reply->issuing_ca == NULL ? 0 : strlen(reply->issuing_ca);

    for (size_t i = 0; i < reply->ca_chain.count; i++)
        bytes += strlen(reply->ca_chain.items[i]);
    if (bytes > CHAIN_MOST_BYTES)
        return err_set(err, ERR_UNTRUSTED, "the chain is longer than %d bytes", CHAIN_MOST_BYTES);
    if (reply->issuing_ca != NULL && !ca_cache_parse(cache, reply->issuing_ca, vetting->sent, err))
        return err_wrap(err, "the issuing CA");
    for (size_t i = 0; i < reply->ca_chain.count; i++)
        if (!ca_cache_parse(cache, reply->ca_chain.items[i], vetting->sent, err))
            return err_wrap(err, "the chain");
    drop_leaf(vetting);
    return vetting->order->trust_anchor == NULL ||
           chain_read_anchors(cache, vetting->order->trust_anchor, vetting->anchors, err);
}

static X509 *top_of(const struct path *path)
{
    return sk_X509_value(path->certificates, sk_X509_num(path->certificates) - 1);
}

/* Collects the published chain: of all valid paths, the received certificates that are not
 * roots. */
static bool gather_chain(const struct vetting *vetting, STACK_OF(X509) * chain)
{
    for (size_t i = 0; i < vetting->paths->count; i++) {
        STACK_OF(X509) *path = vetting->paths->items[i].certificates;

        for (int k = 1; k < sk_X509_num(path); k++) {
            X509 *certificate = sk_X509_value(path, k);

            if (X509_self_signed(certificate, 0) != 1 && chain_has(vetting->sent, certificate) &&
                !chain_share(chain, certificate, X509_ADD_FLAG_NO_DUP))
                return false;
        }
    }
    return true;
}

/*
 * Collects the certificates that peers must trust: the trust anchors if there are any, else the top
 * of every path. A top that is no root is included only if no path leads to a root: beside a root
 * with the same name and key, OpenSSL would take it for the issuer and then fail to find its own
 * issuer.
 */
static bool gather_trusted(const struct vetting *vetting, STACK_OF(X509) * trusted)
{
    const struct paths *paths = vetting->paths;

    if (sk_X509_num(vetting->anchors) > 0)
        return chain_share(trusted, top_of(&paths->items[0]), X509_ADD_FLAG_NO_DUP) &&
               chain_share_all(trusted, vetting->anchors, X509_ADD_FLAG_NO_DUP);
    for (size_t i = 0; i < paths->count; i++)
        if (paths->items[i].is_anchored == paths->items[0].is_anchored &&
            !chain_share(trusted, top_of(&paths->items[i]), X509_ADD_FLAG_NO_DUP))
            return false;
    return true;
}

static bool to_pems(STACK_OF(X509) * certificates, struct text_list *list, struct arena *arena)
{
    for (int i = 0; i < sk_X509_num(certificates); i++)
        if (!chain_to_pem(list, arena, sk_X509_value(certificates, i)))
            return false;
    return true;
}

static void note_ends(const struct paths *paths, struct issued *issued)
{
    issued->end_s = issued->soonest_end_s = paths->items[0].end_s;
    issued->issuers_end_s = paths->items[0].issuers_end_s;
    for (size_t i = 1; i < paths->count; i++)
        issued->soonest_end_s = duration_shorter(issued->soonest_end_s, paths->items[i].end_s);
}

/* Only reported: a role often adds attributes to the subject, which is no reason to refuse the
 * certificate. */
static const char *odd_subject(const struct vetting *vetting, struct arena *arena)
{
    const struct text_list *wanted = &vetting->order->request->names.subject;
    const struct text_list *got = &vetting->facts.names.subject;
    const char *extra = text_list_missing(got, wanted), *missing = text_list_missing(wanted, got);

    if (extra != NULL)
        return arena_format(arena,
                            "the subject of the certificate holds %s, which was not asked for; if "
                            "it is expected, write it into subject",
                            extra);
    if (missing != NULL)
        return arena_format(arena,
                            "the subject of the certificate lacks %s, which subject asks for; set "
                            "it in the role",
                            missing);
    return "";
}

/* Fills the issued set: certificates encoded as PEM, and the key. */
static bool keep(const struct vetting *vetting, struct issued *issued, struct err *err)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *chain = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *trusted = sk_X509_new_null();
    struct text_list leaf = {0};

    if (chain == NULL || trusted == NULL || !gather_chain(vetting, chain) ||
        !gather_trusted(vetting, trusted) || !chain_to_pem(&leaf, &issued->arena, vetting->leaf) ||
        !to_pems(chain, &issued->chain_pem, &issued->arena) ||
        !to_pems(trusted, &issued->ca_pem, &issued->arena))
        return err_memory(err);
    issued->leaf_pem = leaf.items[0];
    issued->leaf = vetting->facts;
    note_ends(vetting->paths, issued);
    issued->first_to_end = certificate_name(
        X509_get_subject_name(path_first_to_end(&vetting->paths->items[0])), &issued->arena);
    issued->odd_subject = odd_subject(vetting, &issued->arena);
    if (issued->first_to_end == NULL || issued->odd_subject == NULL)
        return err_memory(err);
    return key_to_pem(vetting->order->key, false, &issued->key_pem, err);
}

static bool vet_parsed(struct vetting *vetting, const struct vet_reply *reply,
                       struct issued *issued, struct err *err)
{
    if (!parse_leaf(vetting, reply->certificate, &issued->arena, err))
        return err_wrap(err, "the certificate");
    if (!parse_chain(vetting, reply, err))
        return false;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!rules[i](vetting, err))
            return false;
    return keep(vetting, issued, err);
}

bool vet(const struct vet_order *order, const struct vet_reply *reply, struct issued *ret_issued,
         struct err *err)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *sent = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *anchors = sk_X509_new_null();
    CLEANUP(paths_free) struct paths paths = {0};
    struct vetting vetting = {.order = order, .sent = sent, .anchors = anchors, .paths = &paths};
    bool passed;

    *ret_issued = (struct issued){.request_id = ""};
    if (sent == NULL || anchors == NULL)
        return err_memory(err);
    shortage_forget();
    passed = vet_parsed(&vetting, reply, ret_issued, err);
    X509_free(vetting.leaf);
    ERR_clear_error();
    /* If memory ran out, libcrypto reports a wrong signature or a different key. */
    passed = !err_shortage(err) && passed;
    if (passed)
        return true;
    issued_free(ret_issued);
    if (err->kind == ERR_REFUSED)
        return err_wrap(err, "the role gives another certificate than was asked for");
    return err->kind == ERR_UNTRUSTED ? err_wrap(err, "the CA's reply is not accepted") : false;
}

/* -- the issued set -------------------------------------------------------------------------------
 */

void issued_free(struct issued *issued)
{
    secret_wipe(&issued->key_pem);
    arena_free(&issued->arena);
    *issued = (struct issued){0};
}
