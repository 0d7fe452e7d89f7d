/* A ServiceAccount token of any bytes: its claims, or a failure with words. */
#include "fuzz.h"

#include "base/arena.h"
#include "config/token_claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct token_claims claims = {0};
    struct err err = {0};

    if (!token_claims_read(fuzz_file("token", data, size), &arena, &claims, &err))
        fuzz_promise(err.kind != ERR_NONE && err.text[0] != '\0', "a failure says why");
    arena_free(&arena);
    return 0;
}
