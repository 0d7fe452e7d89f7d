/* What stands on disk beside a generation, of any bytes: its record, and the state of its set. */
#include "fuzz.h"

#include "install/cert_state.h"
#include "install/record.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void try_state(const uint8_t *data, size_t size)
{
    int set_fd = open(fuzz_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct cert_state state;

    fuzz_file("..state", data, size);
    cert_state_read(set_fd, &state);
    fuzz_promise(state.failure.kind < ERR_KIND_COUNT, "a class that exists");
    fuzz_promise(memchr(state.consumer.reloaded, '\0', sizeof state.consumer.reloaded) != NULL,
                 "a generation's name ends");
    fuzz_promise(memchr(state.ca.revoked, '\0', sizeof state.ca.revoked) != NULL, "a text ends");
    for (size_t i = 0; i < CA_KNOWN_MOST; i++)
        fuzz_promise(memchr(state.ca.known[i], '\0', sizeof state.ca.known[i]) != NULL,
                     "a key identifier ends");
    fuzz_promise(memchr(state.consumer.served.serial, '\0', sizeof state.consumer.served.serial) !=
                     NULL,
                 "a serial number ends");
    close(set_fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct record record = {0};
    struct err err = {0};

    if (!record_read((const char *)data, size, &arena, &record, &err))
        fuzz_promise(err.kind == ERR_LOCAL && err.text[0] != '\0', "a failure says why");
    arena_free(&arena);
    try_state(data, size);
    return 0;
}
