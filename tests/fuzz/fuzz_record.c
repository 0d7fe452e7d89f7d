/* The record that lies in a generation, of any bytes. */
#include "fuzz.h"

#include "install/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct record record = {0};
    struct err err = {0};

    if (!record_read((const char *)data, size, &arena, &record, &err))
        fuzz_promise(err.kind == ERR_LOCAL && err.text[0] != '\0', "a failure says why");
    arena_free(&arena);
    return 0;
}
