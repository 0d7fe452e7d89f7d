#include "pki/issued.h"

void issued_free(struct issued *issued)
{
    secret_wipe(&issued->key_pem);
    arena_free(&issued->arena);
    *issued = (struct issued){0};
}
