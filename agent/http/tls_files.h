/*
 * tls_files - the CA and client certificates of a TLS connection, read off the loop into memory
 *
 * libcurl opens the files that it is told by path while it connects, on the event loop, and a file
 * system may hang. So it is told no path: a worker reads the files, and libcurl gets their content.
 * Calls share what was read in the last quarter of a second, and wait while the files are read
 * again; where an earlier read of the same files went well, they wait a second and then use that.
 * Files with a client key are read for every call and kept only until it ends: an idle agent has no
 * key in memory.
 */
#ifndef LEAFD_HTTP_TLS_FILES_H
#define LEAFD_HTTP_TLS_FILES_H

#include "base/bytes.h"
#include "base/digest.h"
#include "base/secret.h"
#include "base/worker.h"

#include <openssl/x509.h>

/* Paths; NULL where there is none. Neither ca_file nor ca_path: the system's CAs. */
struct tls_names {
    const char *ca_file, *ca_path;
    const char *ca_key; /* the key that names ca_file in the configuration, for texts; static */
    const char *client_certificate, *client_key;
    bool has_proxy; /* https goes to a proxy as well, which the system's CAs verify */
};

/* What was read. Shared; nobody changes it. */
struct tls_files {
    unsigned references;
    char stamp[DIGEST_HEX_BYTES]; /* how the files looked before they were read */
    X509_STORE *cas;              /* of the server, for all connections; NULL: with has_proxy */
    struct bytes ca_text;     /* PEM of all with has_proxy, else of one; begins with the stamp */
    struct bytes proxy_text;  /* PEM of those that verify the proxy; empty: none */
    struct bytes certificate; /* PEM, with its chain; empty: none */
    struct secret key;        /* PEM, without a password; empty: none */
};

struct tls_store;

/* tls_store_new - a store without files, which borrows loop and workers; NULL if memory ran out */
struct tls_store *tls_store_new(sd_event *loop, struct workers *workers);

/* tls_store_free - frees it; every slot of it has been dropped before. NULL is fine */
void tls_store_free(struct tls_store *store);

/*
 * tls_files_start - reads the files, unless that was done a moment ago
 *
 * Copies `names`. Only root and this process's user may write the files, except the system's. Fails
 * with class local, also if they are not read within `limit_s` and never were before. NULL with
 * *err filled if memory or threads ran out.
 */
struct slot *tls_files_start(struct tls_store *store, const struct tls_names *names,
                             uint64_t limit_s, slot_done *on_done, void *arg, struct err *err);

/* tls_files_take - for on_done: a reference to what was read, for tls_files_unref */
struct tls_files *tls_files_take(struct slot *slot);

/* tls_files_unref - drops a reference; the last one wipes and frees. NULL is fine */
void tls_files_unref(struct tls_files *files);

#endif
