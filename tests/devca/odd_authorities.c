#include "odd_authorities.h"

#include "mint.h"

#include <stdio.h>

enum { WEAK_BITS = 1024 };

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

void odd_close(struct odd_authorities *odd)
{
    authority_free(odd->weak);
    authority_free(odd->foreign);
    for (int i = 0; i < DEEP_LEVELS; i++)
        authority_free(odd->deep[i]);
    *odd = (struct odd_authorities){0};
}
