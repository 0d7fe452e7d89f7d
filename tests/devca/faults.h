/*
 * faults - what goes wrong on request
 *
 * A fault waits in a queue until a request comes whose path contains its text and that it can spoil
 * at all: the first such fault takes the request, spoils it at the stage that it is made for, and
 * is used up after so many times. One fault spoils a request, never two.
 */
#ifndef DEVCA_FAULTS_H
#define DEVCA_FAULTS_H

#include <jansson.h>

#include <stdbool.h>

struct devca;
struct leaf;
struct reply;
struct request;

/* Where in a request's life a fault comes in. */
enum fault_stage {
    FAULT_BEFORE,  /* it changes the CA; the request is handled as always */
    FAULT_INSTEAD, /* it answers; nothing else looks at the request */
    FAULT_LEAF,    /* it bends the certificate before it is made */
    FAULT_SIGNED,  /* it changes the certificate that was made */
    FAULT_REPLY,   /* it changes the JSON of a reply that is good so far */
    FAULT_BODY     /* it changes what is sent, or how */
};

/* What a request asks for, as far as faults care; bits. */
enum request_kind { KIND_OTHER = 1, KIND_LOGIN = 2, KIND_SIGN = 4, KIND_ISSUE = 8 };

/* Everything that a fault may look at and change. */
struct fault_scene {
    struct devca *devca;
    const json_t *order; /* what was posted to have the fault */
    const char *route;   /* the request's path */
    const struct request *request;
    struct leaf *leaf;   /* at FAULT_LEAF and FAULT_SIGNED */
    struct reply *reply; /* at the other stages */
};

typedef void fault_function(struct fault_scene *scene);

struct fault;

/* Initialise with {0}. */
struct faults {
    struct fault *first;
};

/* faults_add - queues what `order` says; false, and what is wrong with it in `why`, if it cannot be
 */
bool faults_add(struct faults *faults, const json_t *order, char *why, size_t size);

/* faults_choose - the fault for a request to that path, or NULL */
struct fault *faults_choose(const struct faults *faults, const char *path, unsigned kind);

/*
 * faults_apply - runs the chosen fault if this is its stage, and counts it; whether it ran
 *
 * Frees a fault that is used up, so that *chosen is NULL then. NULL in *chosen is fine.
 */
bool faults_apply(struct faults *faults, struct fault **chosen, enum fault_stage stage,
                  struct fault_scene *scene);

/* faults_list - the queue, each fault as it was posted and "times" as it is left */
json_t *faults_list(const struct faults *faults);

/* faults_clear - empties the queue */
void faults_clear(struct faults *faults);

#endif
