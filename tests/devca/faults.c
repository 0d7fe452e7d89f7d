#include "faults.h"

#include "fault_leaf.h"
#include "fault_reply.h"
#include "fault_sending.h"
#include "must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KIND_SIGNING = KIND_SIGN | KIND_ISSUE, KIND_ANY = KIND_OTHER | KIND_LOGIN | KIND_SIGNING };

/* Every fault there is. `needs` is a parameter that it cannot do without. */
static const struct fault_type {
    const char *name;
    enum fault_stage stage;
    unsigned kinds; /* of request that it can spoil */
    fault_function *spoil;
    const char *needs;
} types[] = {
    {"alternating-issuers", FAULT_BEFORE, KIND_ANY, fault_alternating_issuers, NULL},

    {"status", FAULT_INSTEAD, KIND_ANY, fault_status, "status"},
    {"echo", FAULT_INSTEAD, KIND_ANY, fault_echo, "status"},
    {"redirect", FAULT_INSTEAD, KIND_ANY, fault_redirect, "location"},
    {"not-json", FAULT_INSTEAD, KIND_ANY, fault_not_json, NULL},
    {"empty", FAULT_INSTEAD, KIND_ANY, fault_empty, NULL},

    {"wrong-key", FAULT_LEAF, KIND_SIGNING, fault_wrong_key, NULL},
    {"wrong-key-type", FAULT_LEAF, KIND_ISSUE, fault_wrong_key_type, NULL},
    {"missing-san", FAULT_LEAF, KIND_SIGNING, fault_missing_san, NULL},
    {"extra-san", FAULT_LEAF, KIND_SIGNING, fault_extra_san, NULL},
    {"nul-in-san", FAULT_LEAF, KIND_SIGNING, fault_nul_in_san, NULL},
    {"other-name", FAULT_LEAF, KIND_SIGNING, fault_other_name, NULL},
    {"wrong-cn", FAULT_LEAF, KIND_SIGNING, fault_wrong_cn, NULL},
    {"expired", FAULT_LEAF, KIND_SIGNING, fault_expired, NULL},
    {"ends-soon", FAULT_LEAF, KIND_SIGNING, fault_ends_soon, NULL},
    {"future", FAULT_LEAF, KIND_SIGNING, fault_future, "seconds"},
    {"is-ca", FAULT_LEAF, KIND_SIGNING, fault_is_ca, NULL},
    {"no-digital-signature", FAULT_LEAF, KIND_SIGNING, fault_no_digital_signature, NULL},
    {"no-server-auth", FAULT_LEAF, KIND_SIGNING, fault_no_server_auth, NULL},
    {"no-client-auth", FAULT_LEAF, KIND_SIGNING, fault_no_client_auth, NULL},
    {"sha1", FAULT_LEAF, KIND_SIGNING, fault_sha1, NULL},
    {"weak-key-ca", FAULT_LEAF, KIND_SIGNING, fault_weak_key_ca, NULL},
    {"long-chain", FAULT_LEAF, KIND_SIGNING, fault_long_chain, NULL},

    {"issuer-ends-first", FAULT_LEAF, KIND_SIGNING, fault_issuer_ends_first, "seconds"},
    {"restricted-issuer", FAULT_LEAF, KIND_SIGNING, fault_restricted_issuer, NULL},

    {"bad-signature", FAULT_SIGNED, KIND_SIGNING, fault_bad_signature, NULL},

    {"foreign-issuer", FAULT_REPLY, KIND_SIGNING, fault_foreign_issuer, NULL},
    {"cross-signed", FAULT_REPLY, KIND_SIGNING, fault_cross_signed, NULL},
    {"no-chain", FAULT_REPLY, KIND_SIGNING, fault_no_chain, NULL},
    {"two-certificates", FAULT_REPLY, KIND_SIGNING, fault_two_certificates, NULL},
    {"no-certificate", FAULT_REPLY, KIND_SIGNING, fault_no_certificate, NULL},
    {"garbage-certificate", FAULT_REPLY, KIND_SIGNING, fault_garbage_certificate, NULL},
    {"replay", FAULT_REPLY, KIND_SIGNING, fault_replay, NULL},
    {"no-private-key", FAULT_REPLY, KIND_ISSUE, fault_no_private_key, NULL},
    {"no-uses", FAULT_REPLY, KIND_LOGIN, fault_no_uses, NULL},
    {"no-token", FAULT_REPLY, KIND_LOGIN, fault_no_token, NULL},
    {"foreign-list", FAULT_REPLY, KIND_OTHER, fault_foreign_list, NULL},
    {"echo-beside", FAULT_REPLY, KIND_ANY, fault_echo_beside, NULL},
    {"wrapped", FAULT_REPLY, KIND_ANY, fault_wrapped, NULL},

    {"broken-json", FAULT_BODY, KIND_ANY, fault_broken_json, NULL},
    {"duplicate-keys", FAULT_BODY, KIND_ANY, fault_duplicate_keys, NULL},
    {"deep-json", FAULT_BODY, KIND_ANY, fault_deep_json, NULL},
    {"oversized", FAULT_BODY, KIND_ANY, fault_oversized, NULL},
    {"cut", FAULT_BODY, KIND_ANY, fault_cut, NULL},
    {"delay", FAULT_BODY, KIND_ANY, fault_delay, "ms"},
};

struct fault {
    struct fault *next;
    const struct fault_type *type;
    json_t *order;
    const char *path; /* of the order */
    json_int_t left;  /* times; 0: until it is cleared */
};

/* What an order may hold, and of which type it must be. */
static const struct parameter {
    const char *name;
    json_type type;
} parameters[] = {
    {"path", JSON_STRING},    {"fault", JSON_STRING},        {"times", JSON_INTEGER},
    {"status", JSON_INTEGER}, {"retry_after", JSON_INTEGER}, {"errors", JSON_ARRAY},
    {"body", JSON_STRING},    {"location", JSON_STRING},     {"seconds", JSON_INTEGER},
    {"ms", JSON_INTEGER},     {"form", JSON_STRING},
};

static bool is_parameter(const char *name, const json_t *value)
{
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        if (strcmp(parameters[i].name, name) == 0)
            return json_typeof(value) == parameters[i].type &&
                   (!json_is_integer(value) || json_integer_value(value) >= 0);
    return false;
}

static const struct fault_type *find_type(const json_t *order)
{
    const char *name = json_string_value(json_object_get(order, "fault"));

    for (size_t i = 0; name != NULL && i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

static bool check(const json_t *order, const struct fault_type *type, char *why, size_t size)
{
    const json_t *status = json_object_get(order, "status");

    for (void *at = json_object_iter((json_t *)order); at != NULL;
         at = json_object_iter_next((json_t *)order, at)) {
        if (!is_parameter(json_object_iter_key(at), json_object_iter_value(at))) {
            snprintf(why, size, "\"%s\" is no parameter of a fault, or of the wrong type",
                     json_object_iter_key(at));
            return false;
        }
    }
    if (type == NULL)
        snprintf(why, size, "there is no fault of that name; see the table in faults.c");
    else if (type->needs != NULL && json_object_get(order, type->needs) == NULL)
        snprintf(why, size, "the fault %s needs \"%s\"", type->name, type->needs);
    else if (status != NULL &&
             (json_integer_value(status) < 200 || json_integer_value(status) > 599))
        snprintf(why, size, "\"status\" is from 200 to 599");
    else
        return true;
    return false;
}

bool faults_add(struct faults *faults, const json_t *order, char *why, size_t size)
{
    const struct fault_type *type = find_type(order);
    const json_t *times = json_object_get(order, "times");
    const json_t *path = json_object_get(order, "path");
    struct fault **at = &faults->first, *fault;

    if (!check(order, type, why, size))
        return false;
    fault = calloc(1, sizeof *fault);
    MUST(fault != NULL);
    fault->type = type;
    fault->order = json_deep_copy(order);
    MUST(fault->order != NULL);
    fault->path = path == NULL ? "" : json_string_value(json_object_get(fault->order, "path"));
    fault->left = times == NULL ? 1 : json_integer_value(times);
    while (*at != NULL)
        at = &(*at)->next;
    *at = fault;
    return true;
}

struct fault *faults_choose(const struct faults *faults, const char *path, unsigned kind)
{
    for (struct fault *fault = faults->first; fault != NULL; fault = fault->next)
        if (strstr(path, fault->path) != NULL && (fault->type->kinds & kind) != 0)
            return fault;
    return NULL;
}

static void free_fault(struct fault *fault)
{
    json_decref(fault->order);
    free(fault);
}

/* One use less; frees it after the last. */
static void use_up(struct faults *faults, struct fault **chosen)
{
    struct fault **at = &faults->first;

    if ((*chosen)->left == 0 || --(*chosen)->left > 0)
        return;
    while (*at != *chosen)
        at = &(*at)->next;
    *at = (*chosen)->next;
    free_fault(*chosen);
    *chosen = NULL;
}

bool faults_apply(struct faults *faults, struct fault **chosen, enum fault_stage stage,
                  struct fault_scene *scene)
{
    if (*chosen == NULL || (*chosen)->type->stage != stage)
        return false;
    scene->order = (*chosen)->order;
    (*chosen)->type->spoil(scene);
    use_up(faults, chosen);
    return true;
}

json_t *faults_list(const struct faults *faults)
{
    json_t *list = json_array();

    for (const struct fault *fault = faults->first; fault != NULL; fault = fault->next) {
        json_t *one = json_copy(fault->order);

        MUST(one != NULL && json_object_set_new(one, "times", json_integer(fault->left)) == 0 &&
             json_array_append_new(list, one) == 0);
    }
    return list;
}

void faults_clear(struct faults *faults)
{
    while (faults->first != NULL) {
        struct fault *first = faults->first;

        faults->first = first->next;
        free_fault(first);
    }
}
