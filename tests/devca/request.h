/*
 * request - what a client asks
 *
 * The server fills it from HTTP, the routes add what they find out. Everything in it lives until
 * the reply is sent.
 */
#ifndef DEVCA_REQUEST_H
#define DEVCA_REQUEST_H

#include "base/arena.h"
#include "base/bytes.h"

#include "reply.h"

#include <jansson.h>
#include <openssl/x509.h>

#include <stdbool.h>

struct devca;
struct fault;
struct token;

/* POST and PUT are the same to Vault, and GET with ?list=true is LIST. */
enum verb { VERB_READ, VERB_WRITE, VERB_LIST, VERB_HEAD, VERB_DELETE, VERB_COUNT };

struct request {
    struct arena arena;
    const char *method; /* as it was sent */
    enum verb verb;
    const char *path;  /* as it was sent, with its first slash */
    const char *token; /* NULL: none was sent */
    X509 *client;      /* the client's certificate, not verified yet; NULL: none */
    struct bytes content;

    const char *route;       /* the path below /v1/ */
    const char *captured[2]; /* what stands for the names in the route's pattern */
    json_t *body;            /* the content as an object, {} if there was none */
    struct token *holder;    /* whose token it is; NULL on open routes */
    struct fault *fault;     /* what is to go wrong; NULL: nothing */
};

/* A handler fills the reply in any case. */
typedef void handler(struct devca *devca, struct request *request, struct reply *reply);

#endif
