#include "install/key_file.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/trust.h"
#include "pki/certificate.h"
#include "pki/key.h"

#include <unistd.h>

enum { KEY_FILE_MOST_BYTES = 64 * 1024 };

bool key_file_read(const char *path, EVP_PKEY **ret_key, struct err *err)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = KEY_FILE_MOST_BYTES};
    CLEANUP(close_fd) int fd = -1;
    struct trust trust = {.user = geteuid()};

    if (!trust_open_file(&trust, path, &fd, err))
        return err_wrap(err, "key_source");
    if (trust_readers(&trust, fd, path) == TRUST_EVERYBODY)
        return err_set(err, ERR_LOCAL,
                       "key_source: all users of this machine may read %s; make it readable for "
                       "leafd alone, or for a group",
                       path);
    return (file_read(fd, path, &bytes, err) &&
            key_from_pem(bytes_text(&bytes), bytes.length, ret_key, err)) ||
           err_wrap(err, "key_source: %s", path);
}

bool key_file_differs(const char *path, const char *leaf_pem)
{
    CLEANUP(cleanup_key) EVP_PKEY *key = NULL;
    struct err err;

    return key_file_read(path, &key, &err) && !certificate_has_key(leaf_pem, key, &err);
}
