#include "ca/ca_kind.h"

void ca_signed_free(struct ca_signed *signed_reply)
{
    json_decref(signed_reply->json);
    arena_free(&signed_reply->arena);
    *signed_reply = (struct ca_signed){0};
}
