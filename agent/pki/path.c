#include "pki/path.h"

#include "base/cert_request.h"
#include "pki/certificate.h"
#include "pki/chain.h"
#include "pki/crypto.h"

#include <openssl/err.h>

/*
 * The limits of a search: the reply of a normal CA takes a handful of steps. A step searches the
 * received certificates and may verify one signature; a try verifies a complete path.
 */
enum { MOST_STEPS = 128, MOST_TRIES = 16, LEAST_STRENGTH_BITS = 112 };

/* A search under way. */
struct search {
    const struct path_order *order;
    struct paths *paths;
    STACK_OF(X509) * members; /* certificates that may be on a path: received ones and anchors that
                                 are valid now */
    STACK_OF(X509) * tops;    /* of the received certificates */
    STACK_OF(X509) * ends;    /* where the paths of this search end: the anchors or the tops */
    X509 *steps[CHAIN_MOST_ON_PATH];
    unsigned steps_taken, tries;
    bool too_long;
    struct err failure; /* the first failure; kind ERR_NONE: none yet */
};

static uint64_t end_of(STACK_OF(X509) * certificates, int from)
{
    uint64_t end_s = UINT64_MAX;

    for (int i = from; i < sk_X509_num(certificates); i++) {
        struct validity validity;

        if (!certificate_validity(sk_X509_value(certificates, i), &validity))
            return 0;
        end_s = duration_shorter(end_s, validity.not_after);
    }
    return end_s;
}

X509 *path_first_to_end(const struct path *path)
{
    for (int i = 1; i < sk_X509_num(path->certificates); i++)
        if (end_of(path->certificates, i) > path->issuers_end_s)
            return sk_X509_value(path->certificates, i - 1);
    return sk_X509_value(path->certificates, sk_X509_num(path->certificates) - 1);
}

static bool is_valid_at(const X509 *certificate, uint64_t at_s)
{
    struct validity validity;

    return certificate_validity(certificate, &validity) && validity.not_before <= at_s &&
           validity.not_after >= at_s;
}

static bool add_valid(struct search *search, STACK_OF(X509) * from, struct err *err)
{
    for (int i = 0; i < sk_X509_num(from); i++) {
        X509 *certificate = sk_X509_value(from, i);

        if (is_valid_at(certificate, search->order->at_s) &&
            !chain_has(search->members, certificate) &&
            !chain_share(search->members, certificate, X509_ADD_FLAG_DEFAULT))
            return err_memory(err);
    }
    return true;
}

/* An expired issuer counts as an issuer. If certificates issued each other in a circle, there is no
 * top, and each of them counts as one. */
static bool find_tops(struct search *search, struct err *err)
{
    STACK_OF(X509) *sent = search->order->sent;

    for (int i = 0; i < sk_X509_num(sent); i++)
        if (chain_is_top(sent, sk_X509_value(sent, i)) &&
            !chain_share(search->tops, sk_X509_value(sent, i), X509_ADD_FLAG_DEFAULT))
            return err_memory(err);
    return sk_X509_num(search->tops) > 0 ||
           chain_share_all(search->tops, sent, X509_ADD_FLAG_DEFAULT) || err_memory(err);
}

static bool has_anchors(const struct search *search)
{
    return sk_X509_num(search->order->anchors) > 0;
}

static bool is_self_signed(X509 *certificate)
{
    return X509_self_signed(certificate, 0) == 1;
}

/* A peer that trusts the issuer of `top` also verifies top's signature. */
static bool is_signed_well(const struct search *search, X509 *top)
{
    int bits = 0;

    return is_self_signed(top) || chain_has(search->order->anchors, top) ||
           (X509_get_signature_info(top, NULL, NULL, &bits, NULL) == 1 &&
            bits >= LEAST_STRENGTH_BITS);
}

static bool permits(const struct search *search, X509 *issuer)
{
    unsigned usage = search->order->usage;

    return ((usage & USAGE_SERVER) == 0 ||
            X509_check_purpose(issuer, X509_PURPOSE_SSL_SERVER, 1) > 0) &&
           ((usage & USAGE_CLIENT) == 0 ||
            X509_check_purpose(issuer, X509_PURPOSE_SSL_CLIENT, 1) > 0);
}

/* Checks of other verifiers that libcrypto does not do. */
static bool suits(const struct search *search, STACK_OF(X509) * certificates, struct err *err)
{
    int last = sk_X509_num(certificates) - 1;

    for (int i = 1; i <= last; i++)
        if (!permits(search, sk_X509_value(certificates, i)))
            return err_set(err, ERR_UNTRUSTED,
                           "its chain does not verify: the extended key usage of certificate %d of "
                           "the path does not permit the usage; take another issuer, or set usage",
                           i);
    if (last > 0 && !is_signed_well(search, sk_X509_value(certificates, last)))
        return err_set(err, ERR_UNTRUSTED,
                       "its chain does not verify: certificate %d of the path is signed with a "
                       "weak digest, such as SHA-1",
                       last);
    return true;
}

/* Sorts by the end of the path, then by the end of its issuers, the latest first. */
static size_t place_of(const struct paths *paths, const struct path *path)
{
    size_t at = 0;

    while (at < paths->count) {
        const struct path *other = &paths->items[at];

        if (path->is_anchored != other->is_anchored ? path->is_anchored
            : path->end_s != other->end_s           ? path->end_s > other->end_s
                                                    : path->issuers_end_s > other->issuers_end_s)
            break;
        at++;
    }
    return at;
}

static void keep(struct search *search, STACK_OF(X509) * certificates)
{
    struct paths *paths = search->paths;
    X509 *top = sk_X509_value(certificates, sk_X509_num(certificates) - 1);
    const struct path path = {
        .certificates = certificates,
        .end_s = end_of(certificates, 0),
        .issuers_end_s = end_of(certificates, 1),
        .is_anchored =
            has_anchors(search) ? chain_has(search->order->anchors, top) : is_self_signed(top),
    };
    size_t at = place_of(paths, &path);

    for (size_t i = paths->count++; i > at; i--)
        paths->items[i] = paths->items[i - 1];
    paths->items[at] = path;
}

/* Verifies the path of the first `steps` steps, and keeps the path that libcrypto built from it. */
static void try_path(struct search *search, int steps)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *between = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *top = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *path = sk_X509_new_null();
    bool built = between != NULL && top != NULL && path != NULL;
    struct err err;

    search->tries++;
    for (int i = 0; built && i < steps; i++)
        built = chain_share(i < steps - 1 ? between : top, search->steps[i], X509_ADD_FLAG_DEFAULT);
    if (!built) {
        (void)err_memory(&search->failure);
        return;
    }
    if (chain_verify(search->order->cache, search->order->leaf, between, top, search->order->at_s,
                     path, &err) &&
        suits(search, path, &err))
        keep(search, TAKE(path));
    else if (search->failure.kind == ERR_NONE || err.kind == ERR_LOCAL)
        search->failure = err;
}

static bool goes_on(const struct search *search)
{
    return search->failure.kind != ERR_LOCAL && search->steps_taken < MOST_STEPS &&
           search->tries < MOST_TRIES && search->paths->count < PATH_MOST_FOUND;
}

static bool is_on_the_way(const struct search *search, const X509 *certificate, int depth)
{
    for (int i = 0; i < depth; i++)
        if (search->steps[i] == certificate)
            return true;
    return false;
}

/* The next member from *at on whose name and key identifier match the issuer of `certificate`; or
 * NULL. */
static X509 *next_issuer(const struct search *search, X509 *certificate, int depth, int *at)
{
    while (*at < sk_X509_num(search->members)) {
        X509 *member = sk_X509_value(search->members, (*at)++);

        if (!is_on_the_way(search, member, depth) &&
            X509_check_issued(member, certificate) == X509_V_OK)
            return member;
    }
    return NULL;
}

static bool has_signed(X509 *issuer, X509 *certificate)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);

    return key != NULL && X509_verify(certificate, key) == 1;
}

/* The first search finds paths to anchors; the second one skips them. */
static bool is_end(const struct search *search, X509 *certificate)
{
    return chain_has(search->ends, certificate) &&
           (search->ends == search->order->anchors ||
            !chain_has(search->order->anchors, certificate));
}

/* Searches upwards from `last`, depth first. */
static void climb(struct search *search, X509 *last, int depth)
{
    int at = 0, look = 0;
    X509 *issuer = next_issuer(search, last, depth, &look);
    /* Signatures are verified here only if there are several candidates; try_path verifies all. */
    bool several = issuer != NULL && next_issuer(search, last, depth, &look) != NULL;

    while (goes_on(search) && (issuer = next_issuer(search, last, depth, &at)) != NULL) {
        search->steps_taken++;
        if (depth == CHAIN_MOST_ON_PATH) {
            search->too_long = true;
            return;
        }
        if (several && !has_signed(issuer, last))
            continue;
        search->steps[depth] = issuer;
        if (is_end(search, issuer))
            try_path(search, depth + 1);
        if (!is_self_signed(issuer))
            climb(search, issuer, depth + 1);
    }
}

/* Why no path is valid. If the search tried none, libcrypto says why. */
static bool tell_failure(struct search *search, struct err *err)
{
    const struct path_order *order = search->order;
    CLEANUP(cleanup_certificates) STACK_OF(X509) *path = sk_X509_new_null();

    if (path == NULL)
        return err_memory(err);
    *err = search->failure;
    if (err->kind != ERR_NONE)
        return false;
    if (search->too_long)
        return err_set(err, ERR_UNTRUSTED, "its path holds more than %d certificates",
                       CHAIN_MOST_ON_PATH);
    if (chain_verify(NULL, order->leaf, order->sent,
                     has_anchors(search) ? order->anchors : search->tops, order->at_s, path, err))
        return err_set(err, ERR_UNTRUSTED,
                       "its chain does not verify: too many certificates of the same names came "
                       "with it");
    return false;
}

bool paths_find(const struct path_order *order, struct paths *ret_paths, struct err *err)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *members = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *tops = sk_X509_new_null();
    struct search search = {.order = order, .paths = ret_paths, .members = members, .tops = tops};

    *ret_paths = (struct paths){0};
    if (members == NULL || tops == NULL)
        return err_memory(err);
    if (!add_valid(&search, order->sent, err) || !add_valid(&search, order->anchors, err) ||
        !find_tops(&search, err))
        return false;
    search.ends = has_anchors(&search) ? order->anchors : tops;
    climb(&search, order->leaf, 0);
    if (has_anchors(&search) && ret_paths->count > 0) {
        search.ends = tops;
        climb(&search, order->leaf, 0);
    }
    ERR_clear_error();
    if (search.failure.kind != ERR_LOCAL && ret_paths->count > 0)
        return true;
    paths_free(ret_paths);
    return tell_failure(&search, err);
}

void paths_free(struct paths *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        free_certificates(paths->items[i].certificates);
    *paths = (struct paths){0};
}

uint64_t path_end_of_texts(const char *leaf_pem, const struct text_list *chain_pem,
                           const struct text_list *ca_pem, uint64_t at_s)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *leaf = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *chain = sk_X509_new_null();
    CLEANUP(cleanup_certificates) STACK_OF(X509) *ca = sk_X509_new_null();
    struct path_order order = {.sent = chain, .anchors = ca, .at_s = at_s};
    struct paths paths = {0};
    uint64_t end_s;
    struct err err;

    if (leaf == NULL || chain == NULL || ca == NULL || !chain_parse(leaf_pem, leaf, &err))
        return 0;
    order.leaf = sk_X509_value(leaf, 0);
    if (!chain_parse_all(chain_pem, chain, &err) || !chain_parse_all(ca_pem, ca, &err) ||
        !paths_find(&order, &paths, &err))
        return end_of(leaf, 0);
    end_s = paths.items[0].end_s;
    paths_free(&paths);
    return end_s;
}
