#include "install/revoked_mark.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "install/generation.h"
#include "install/set_file.h"

#include <string.h>

enum { MARK_MOST_BYTES = 128 };

const char revoked_mark_name[] = "..revoked";
static const char final_line[] = "\nno-reissue\n";

bool revoked_mark_write(int set_fd, const char *generation, enum revocation revocation,
                        struct err *err)
{
    char text[MARK_MOST_BYTES];

    snprintf(text, sizeof text, "%s%s", generation,
             revocation == REVOCATION_FINAL ? final_line : "");
    return file_replace_at(set_fd, revoked_mark_name, 0644, text, strlen(text), err);
}

enum revocation revoked_mark_read(int set_fd, const char *generation)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = MARK_MOST_BYTES};
    const char *rest = NULL;
    struct trust trust = set_file_trust(set_fd);
    struct err err;

    if (generation[0] != '\0' && set_file_read(&trust, set_fd, revoked_mark_name, &bytes, &err))
        rest = text_starts(bytes_text(&bytes), generation);
    if (rest == NULL)
        return REVOCATION_NONE;
    if (strcmp(rest, final_line) == 0)
        return REVOCATION_FINAL;
    return rest[0] == '\0' ? REVOCATION_REPLACED : REVOCATION_NONE;
}

void revoked_mark_clear(int set_fd)
{
    unlinkat(set_fd, revoked_mark_name, 0);
}
