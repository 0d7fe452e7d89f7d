#include "install/revoked_mark.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "install/generation.h"

#include <string.h>

const char revoked_mark_name[] = "..revoked";

bool revoked_mark_write(int set_fd, const char *generation, struct err *err)
{
    return file_replace_at(set_fd, revoked_mark_name, 0644, generation, strlen(generation), err);
}

bool revoked_mark_is(int set_fd, const char *generation)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = GENERATION_NAME_BYTES};
    struct err err;

    return file_read_at(set_fd, revoked_mark_name, &bytes, &err) &&
           strcmp(bytes_text(&bytes), generation) == 0;
}

void revoked_mark_clear(int set_fd)
{
    unlinkat(set_fd, revoked_mark_name, 0);
}
