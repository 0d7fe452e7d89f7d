#include "signing.h"

#include "base/clock.h"

#include "devca.h"
#include "entity.h"
#include "leaf.h"
#include "mint.h"
#include "must.h"
#include "owned.h"
#include "pem.h"
#include "terms.h"

#include <string.h>

enum { LEAST_RSA_BITS = 2048 };

/* A certificate that is asked for. */
struct task {
    struct devca *devca;
    struct request *request;
    struct reply *reply;
    const struct pki_role *role;
    const struct authority *issuer;
    struct terms terms;
};

static const char *const known[] = {"csr",      "common_name", "alt_names", "ip_sans",
                                    "uri_sans", "ttl",         "format",    "private_key_format",
                                    "role",     "issuer_ref",  NULL};

/* -- what is asked for --------------------------------------------------------------------------
 */

static bool find_role(struct task *task)
{
    const char *const *captured = task->request->captured;
    const char *name = captured[1] == NULL ? captured[0] : captured[1];
    const struct pki_role *role = roles_pki(&task->devca->roles, name);

    if (role != NULL)
        task->role = entity_role(task->devca, task->request->holder, &task->request->arena, role);
    if (task->role == NULL)
        reply_error(task->reply, 400, "unknown role: %s", name);
    return task->role != NULL;
}

static bool find_issuer(struct task *task)
{
    const char *const *captured = task->request->captured;
    const char *own = task->role->issuer_ref == NULL ? "default" : task->role->issuer_ref;
    const char *reference = captured[1] == NULL ? own : captured[0];

    task->issuer = ca_find(&task->devca->ca, reference);
    if (task->issuer == NULL)
        return reply_failed(task->reply, 500,
                            "could not fetch the CA certificate (was one set?): unable to find "
                            "PKI issuer for reference: %s",
                            reference);
    if (!task->issuer->may_sign)
        return reply_failed(task->reply, 500,
                            "unable to fetch corresponding key for issuer %s; unable to use this "
                            "issuer for signing",
                            task->issuer->id);
    return true;
}

/* The name of a key's type as roles have it; NULL for one that Vault signs for no role. */
static const char *type_of(const EVP_PKEY *key)
{
    if (EVP_PKEY_is_a(key, "RSA"))
        return "rsa";
    if (EVP_PKEY_is_a(key, "EC"))
        return "ec";
    return EVP_PKEY_is_a(key, "ED25519") ? "ed25519" : NULL;
}

static bool check_key(const struct task *task, const EVP_PKEY *key)
{
    const char *type = type_of(key), *wanted = task->role->key_type;
    int least = 0; /* of "any" Vault looks at no key_bits */

    if (type == NULL)
        return reply_error(task->reply, 400, "unsupported key type value: %s", wanted);
    if (strcmp(wanted, "any") != 0 && strcmp(wanted, type) != 0)
        return reply_error(task->reply, 400, "role requires keys of type %s", wanted);
    if (strcmp(wanted, "any") != 0 && strcmp(type, "ed25519") != 0)
        least = (int)task->role->key_bits;
    if (strcmp(type, "rsa") == 0 && least < LEAST_RSA_BITS)
        least = LEAST_RSA_BITS;
    if (EVP_PKEY_get_bits(key) < least)
        return reply_error(task->reply, 400,
                           "role requires a minimum of a %d-bit key, but CSR's key is %d bits",
                           least, EVP_PKEY_get_bits(key));
    return true;
}

/* -- the certificate ----------------------------------------------------------------------------
 */

/* Fills the leaf with all but its keys. */
static void fill_leaf(const struct task *task, struct leaf *leaf)
{
    const struct asked *asked = &task->terms.asked;
    uint64_t now_s = clock_now_s();

    leaf->common_name = asked->common_name[0] == '\0' ? NULL : asked->common_name;
    leaf->names = asked_names(asked);
    leaf->not_before_s = now_s - task->role->not_before_duration_s;
    leaf->not_after_s = now_s + task->terms.ttl_s;
    leaf->key_usage = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT;
    leaf->extended_usage = (task->role->server_flag ? XKU_SSL_SERVER : 0u) |
                           (task->role->client_flag ? XKU_SSL_CLIENT : 0u);
    leaf->signer = task->issuer;
}

static void mint_with_faults(const struct task *task, struct leaf *leaf)
{
    struct faults *faults = &task->devca->faults;
    struct fault **fault = &task->request->fault;
    struct fault_scene scene = {.devca = task->devca,
                                .route = task->request->route,
                                .request = task->request,
                                .leaf = leaf};

    faults_apply(faults, fault, FAULT_LEAF, &scene);
    leaf_mint(leaf);
    faults_apply(faults, fault, FAULT_SIGNED, &scene);
}

static void answer(const struct task *task, const struct leaf *leaf)
{
    struct arena *arena = &task->request->arena;
    json_t *chain = authority_chain(leaf->signer, !task->terms.without_roots);
    json_t *data = json_pack(
        "{s:s, s:s, s:o, s:s, s:I}", "certificate", pem_certificate(arena, leaf->certificate),
        "issuing_ca", leaf->signer->pem, "ca_chain", chain, "serial_number",
        pem_serial(arena, leaf->certificate), "expiration", (json_int_t)leaf->not_after_s);

    MUST(data != NULL);
    if (leaf->private_key != NULL) {
        const char *pem = pem_key(arena, leaf->private_key, !task->terms.pkcs8);

        MUST(json_object_set_new(data, "private_key", json_string(pem)) == 0 &&
             json_object_set_new(data, "private_key_type",
                                 json_string(type_of(leaf->private_key))) == 0);
    }
    reply_data(task->reply, data, "pki");
    if (task->role->generate_lease)
        MUST(json_object_set_new(task->reply->json, "lease_id",
                                 json_sprintf("%s/%s", task->request->route, leaf->signer->id)) ==
             0);
    for (size_t i = 0; i < task->terms.warnings.count; i++)
        reply_warn(task->reply, task->terms.warnings.items[i]);
}

/* Takes nothing of the leaf, whose keys are in place. */
static void finish(const struct task *task, const struct fields *fields, struct leaf *leaf)
{
    fill_leaf(task, leaf);
    mint_with_faults(task, leaf);
    if (!task->role->no_store)
        ledger_add(&task->devca->ledger, leaf->certificate, leaf->signer);
    answer(task, leaf);
    fields_warn_unknown(fields, known, task->reply);
}

/* -- the calls ----------------------------------------------------------------------------------
 */

void signing_sign(struct devca *devca, struct request *request, struct reply *reply)
{
    struct task task = {.devca = devca, .request = request, .reply = reply};
    struct fields fields = {.body = request->body, .arena = &request->arena};
    CLEANUP(csr_close) struct csr csr = {0};
    CLEANUP(leaf_free) struct leaf leaf = {0};
    const char *pem = fields_text(&fields, "csr"), *why = fields.failure;

    if (!find_role(&task) || !find_issuer(&task))
        return;
    if (why != NULL || !csr_open(&request->arena, pem, &csr, &why)) {
        reply_error(reply, 400, "%s", why);
        return;
    }
    if (!check_key(&task, csr.key) || !terms_settle(task.role, &csr, &fields, &task.terms, reply))
        return;
    if (!csr_is_signed(&csr)) {
        reply_error(reply, 400, "request signature invalid");
        return;
    }
    MUST(EVP_PKEY_up_ref(csr.key) == 1);
    leaf.key = csr.key;
    finish(&task, &fields, &leaf);
}

void signing_issue(struct devca *devca, struct request *request, struct reply *reply)
{
    struct task task = {.devca = devca, .request = request, .reply = reply};
    struct fields fields = {.body = request->body, .arena = &request->arena};
    CLEANUP(leaf_free) struct leaf leaf = {0};

    if (!find_role(&task))
        return;
    if (strcmp(task.role->key_type, "any") == 0) {
        reply_error(reply, 400,
                    "role key type \"any\" not allowed for issuing certificates, only signing");
        return;
    }
    if (!find_issuer(&task) || !terms_settle(task.role, NULL, &fields, &task.terms, reply))
        return;
    leaf.key = mint_key(task.role->key_type, LEAST_RSA_BITS);
    MUST(EVP_PKEY_up_ref(leaf.key) == 1);
    leaf.private_key = leaf.key;
    finish(&task, &fields, &leaf);
}
