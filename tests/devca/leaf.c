#include "leaf.h"

#include "mint.h"

void leaf_mint(struct leaf *leaf)
{
    const struct recipe recipe = {
        .common_name = leaf->common_name,
        .key = leaf->key,
        .names = leaf->names,
        .not_before_s = leaf->not_before_s,
        .not_after_s = leaf->not_after_s,
        .key_usage = leaf->key_usage,
        .extended_usage = leaf->extended_usage,
        .is_ca = leaf->is_ca,
        .digest = leaf->digest,
        .issuer = leaf->signer->certificate,
        .issuer_key = leaf->signer->key,
    };

    leaf->certificate = mint_certificate(&recipe);
}

void leaf_free(struct leaf *leaf)
{
    EVP_PKEY_free(leaf->key);
    EVP_PKEY_free(leaf->private_key);
    GENERAL_NAMES_free(leaf->names);
    X509_free(leaf->certificate);
    *leaf = (struct leaf){0};
}
