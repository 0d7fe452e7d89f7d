#include "odd_authorities.h"

#include "base/clock.h"

#include "mint.h"
#include "must.h"

#include <stdio.h>

enum { WEAK_BITS = 1024, LONG_S = 365 * 86400, BACKDATED_S = 86400, AGO_S = 3600 };

const struct authority *odd_weak(struct odd_authorities *odd, const struct authority *root)
{
    if (odd->weak == NULL)
        odd->weak = authority_new("devca weak intermediate", mint_key("rsa", WEAK_BITS), root);
    return odd->weak;
}

const struct authority *odd_foreign(struct odd_authorities *odd)
{
    if (odd->foreign == NULL)
        odd->foreign = authority_new("somebody else's root", mint_key("ec", 0), NULL);
    return odd->foreign;
}

const struct authority *odd_deep(struct odd_authorities *odd, const struct authority *root)
{
    for (int i = 0; i < DEEP_LEVELS; i++) {
        char name[64];

        snprintf(name, sizeof name, "devca intermediate of level %d", i + 1);
        if (odd->deep[i] == NULL)
            odd->deep[i] = authority_new(name, mint_key("ec", 0), i == 0 ? root : odd->deep[i - 1]);
    }
    return odd->deep[DEEP_LEVELS - 1];
}

const struct authority *odd_brief(struct odd_authorities *odd, const struct authority *root,
                                  uint64_t seconds)
{
    const struct recipe recipe = {
        .common_name = "devca brief intermediate",
        .key = mint_key("ec", 0),
        .not_before_s = clock_now_s() - BACKDATED_S,
        .not_after_s = clock_now_s() + seconds,
    };

    authority_free(odd->brief);
    odd->brief = authority_make(&recipe, root);
    return odd->brief;
}

const struct authority *odd_restricted(struct odd_authorities *odd, const struct authority *root)
{
    const struct recipe recipe = {
        .common_name = "devca intermediate for clients",
        .key = mint_key("ec", 0),
        .not_before_s = clock_now_s() - BACKDATED_S,
        .not_after_s = clock_now_s() + LONG_S,
        .extended_usage = XKU_SSL_CLIENT,
    };

    if (odd->restricted == NULL)
        odd->restricted = authority_make(&recipe, root);
    else
        EVP_PKEY_free(recipe.key);
    return odd->restricted;
}

static struct authority *cross_sign(const char *common_name, EVP_PKEY *key,
                                    const struct authority *parent, uint64_t not_after_s)
{
    const struct recipe recipe = {
        .common_name = common_name,
        .key = key,
        .not_before_s = clock_now_s() - BACKDATED_S,
        .not_after_s = not_after_s,
    };

    return authority_make(&recipe, parent);
}

json_t *odd_crossed(struct odd_authorities *odd, const struct authority *signer,
                    const struct authority *root)
{
    uint64_t now_s = clock_now_s();
    json_t *chain;

    if (odd->old_root == NULL) {
        MUST(EVP_PKEY_up_ref(signer->key) == 1 && EVP_PKEY_up_ref(root->key) == 1);
        odd->old_root = cross_sign("devca old root", mint_key("ec", 0), NULL, now_s - AGO_S);
        odd->old_signer =
            cross_sign("devca intermediate 1", signer->key, odd->old_root, now_s + LONG_S);
        odd->crossed_root = cross_sign("devca root", root->key, odd->old_root, now_s + LONG_S);
    }
    chain = json_pack("[s, s, s, s, s]", odd->old_signer->pem, signer->pem, odd->crossed_root->pem,
                      odd->old_root->pem, root->pem);
    MUST(chain != NULL);
    return chain;
}

void odd_close(struct odd_authorities *odd)
{
    authority_free(odd->weak);
    authority_free(odd->foreign);
    authority_free(odd->brief);
    authority_free(odd->restricted);
    authority_free(odd->old_signer);
    authority_free(odd->crossed_root);
    authority_free(odd->old_root);
    for (int i = 0; i < DEEP_LEVELS; i++)
        authority_free(odd->deep[i]);
    *odd = (struct odd_authorities){0};
}
