#include "authority.h"

#include "base/clock.h"

#include "must.h"
#include "owned.h"
#include "pem.h"

#include <string.h>

/* Like the mount of a PKI engine: a root of ten years above intermediates of five. */
enum { ROOT_LIFE_S = 87600 * 3600, INTERMEDIATE_LIFE_S = 43800 * 3600, BACKDATED_S = 86400 };

struct authority *authority_new(const char *common_name, EVP_PKEY *key,
                                const struct authority *parent)
{
    uint64_t now_s = clock_now_s();
    const struct recipe recipe = {
        .common_name = common_name,
        .key = key,
        .not_before_s = now_s - BACKDATED_S,
        .not_after_s = now_s + (parent == NULL ? ROOT_LIFE_S : INTERMEDIATE_LIFE_S),
    };

    return authority_make(&recipe, parent);
}

struct authority *authority_make(const struct recipe *recipe, const struct authority *parent)
{
    struct authority *authority = calloc(1, sizeof *authority);
    struct recipe full = *recipe;

    MUST(authority != NULL);
    full.is_ca = true;
    full.key_usage = KU_KEY_CERT_SIGN | KU_CRL_SIGN;
    full.issuer = parent == NULL ? NULL : parent->certificate;
    full.issuer_key = parent == NULL ? NULL : parent->key;
    authority->parent = parent;
    authority->key = full.key;
    authority->certificate = mint_certificate(&full);
    authority->may_sign = true;
    authority->name = "";
    authority->pem = pem_certificate(&authority->arena, authority->certificate);
    authority->serial = pem_serial(&authority->arena, authority->certificate);
    draw_uuid(authority->id);
    draw_uuid(authority->key_id);
    return authority;
}

void authority_free(struct authority *authority)
{
    if (authority == NULL)
        return;
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
    arena_free(&authority->arena);
    free(authority);
}

json_t *authority_chain(const struct authority *authority, bool roots)
{
    json_t *chain = json_array();

    for (; authority != NULL; authority = authority->parent)
        if (roots || authority->parent != NULL)
            MUST(json_array_append_new(chain, json_string(authority->pem)) == 0);
    return chain;
}

char *authority_key_identifier(struct arena *arena, const struct authority *authority)
{
    const ASN1_OCTET_STRING *octets = X509_get0_subject_key_id(authority->certificate);

    return pem_colons(arena, ASN1_STRING_get0_data(octets), (size_t)ASN1_STRING_length(octets));
}

void ca_open(struct ca *ca)
{
    ca->tls = authority_new("devca TLS", mint_key("ec", 0), NULL);
    ca->root = authority_new("devca root", mint_key("ec", 0), NULL);
    ca->root->name = "root";
    ca->root->may_sign = false;
    ca->issuers = ca->root;
    ca_rotate(ca, "devca intermediate");
}

static void append(struct ca *ca, struct authority *fresh)
{
    struct authority *last = ca->issuers;

    while (last->next != NULL)
        last = last->next;
    last->next = fresh;
}

static const struct authority *add_intermediate(struct ca *ca, const char *common_name,
                                                const struct authority *root)
{
    struct authority *fresh;
    char numbered[64];

    ca->intermediates++;
    snprintf(numbered, sizeof numbered, "devca intermediate %u", ca->intermediates);
    fresh = authority_new(common_name == NULL ? numbered : common_name, mint_key("ec", 0), root);
    fresh->name = arena_format(&fresh->arena, "intermediate-%u", ca->intermediates);
    MUST(fresh->name != NULL);
    append(ca, fresh);
    ca->current = fresh;
    return fresh;
}

const struct authority *ca_rotate(struct ca *ca, const char *common_name)
{
    return add_intermediate(ca, common_name, ca->root);
}

const struct authority *ca_rotate_root(struct ca *ca, const char *root_name)
{
    struct authority *root = authority_new(root_name, mint_key("ec", 0), NULL);

    root->name = arena_format(&root->arena, "root-%u", ++ca->roots);
    MUST(root->name != NULL);
    root->may_sign = false;
    append(ca, root);
    return add_intermediate(ca, NULL, root);
}

void ca_step_over(struct ca *ca)
{
    struct authority *before = NULL, *last = NULL;

    for (struct authority *at = ca->issuers; at != NULL; at = at->next) {
        if (at->may_sign) {
            before = last;
            last = at;
        }
    }
    if (before != NULL)
        ca->current = ca->current == last ? before : last;
}

const struct authority *ca_find(const struct ca *ca, const char *reference)
{
    if (strcmp(reference, "default") == 0)
        return ca->current;
    for (const struct authority *at = ca->issuers; at != NULL; at = at->next)
        if (strcmp(at->id, reference) == 0 || strcmp(at->name, reference) == 0)
            return at;
    return NULL;
}

void ca_close(struct ca *ca)
{
    while (ca->issuers != NULL) {
        struct authority *first = ca->issuers;

        ca->issuers = first->next;
        authority_free(first);
    }
    authority_free(ca->tls);
}
