/*
 * servers - consumers for unit tests: a thread that serves TLS, a scripted preamble, or HTTP
 *
 * By OpenSSL alone, one connection at a time. What it does with each connection is a letter of a
 * script, whose last letter holds for all that follow.
 */
#ifndef LEAFD_TESTS_SERVERS_H
#define LEAFD_TESTS_SERVERS_H

#include <openssl/ssl.h>

#include <pthread.h>
#include <stdatomic.h>

enum { SERVER_HEARD_BYTES = 4096 };

/* What is said before TLS; a fake server of that protocol. */
typedef int server_preamble(int fd);

struct server_order {
    const char *path;       /* of a Unix socket; NULL: 127.0.0.1 and a free port */
    const char *script;     /* 'A', 'B': with which identity; '-': closes at once */
    X509 *leaves[2], *more; /* A and B; `more` stands beside A, with another type of key */
    EVP_PKEY *keys[2], *more_key;
    X509 *intermediate;  /* sent behind the leaf; NULL: none */
    const char *ciphers; /* of TLS 1.2, DHE with a group of 8192 bits; NULL: the usual */
    int demand_client;   /* a certificate of the client's, or none of ours */
    X509 *client_ca;     /* whose certificates are good then; NULL: nobody's */
    int also_plain;      /* answers HTTP in the clear on the same port */
    int version;         /* TLS1_2_VERSION: nothing newer; 0: any */
    server_preamble *preamble;
    const char *http; /* the whole response to a request; NULL: no HTTP */
    const char *(*answer)(void *arg, const char *request); /* in place of `http`; NULL: closes */
    void *arg;
    int plain; /* no TLS */
};

struct server {
    struct server_order order;
    int fd, stop[2];
    char port[8];
    pthread_t thread;
    atomic_uint connections;        /* accepted */
    atomic_uint farewells;          /* that ended with close_notify and the end of the stream */
    atomic_uint resets;             /* that ended in any other way */
    atomic_uint broken;             /* preambles that went wrong */
    char name[256];                 /* the server name of the last handshake */
    char heard[SERVER_HEARD_BYTES]; /* the last HTTP request */
};

/* server_start - serves until server_stop; borrows what the order points to */
void server_start(struct server *server, const struct server_order *order);

/* server_stop - ends the thread; the counts stay */
void server_stop(struct server *server);

server_preamble preamble_postgres, preamble_mysql, preamble_smtp, preamble_imap, preamble_ldap;

#endif
