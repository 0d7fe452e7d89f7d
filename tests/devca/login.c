#include "login.h"

#include "devca.h"
#include "fields.h"
#include "furnish.h"
#include "jwt.h"
#include "must.h"
#include "owned.h"
#include "pem.h"
#include "token_calls.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <string.h>

/* Who has logged in. */
struct guest {
    const struct auth_role *role;
    const char *display_name;
    json_t *metadata;
};

/* A method fills the guest, or refuses in the reply and returns false. */
typedef bool method(struct devca *devca, struct request *request, struct fields *fields,
                    struct reply *reply, struct guest *ret_guest);

/* -- kubernetes and jwt ----------------------------------------------------------------------- */

static const char *claim_text(const json_t *claims, const char *object, const char *name)
{
    const json_t *kubernetes = json_object_get(claims, "kubernetes.io");
    const json_t *holder = object == NULL ? kubernetes : json_object_get(kubernetes, object);
    const char *text = json_string_value(json_object_get(holder, name));

    return text == NULL ? "" : text;
}

/* Kubernetes binds name and namespace; in a bound subject they are system:serviceaccount:NS:NAME.
 */
static const char *refuse_account(const char *bound, const char *namespace, const char *name)
{
    const char *rest, *colon;

    if (bound == NULL)
        return NULL;
    rest = text_starts(bound, "system:serviceaccount:");
    colon = rest == NULL ? NULL : strchr(rest, ':');
    if (colon == NULL || strcmp(colon + 1, name) != 0)
        return "service account name not authorized";
    if (strlen(namespace) != (size_t)(colon - rest) ||
        strncmp(rest, namespace, strlen(namespace)) != 0)
        return "namespace not authorized";
    return NULL;
}

static bool by_kubernetes(struct devca *devca, struct request *request, struct fields *fields,
                          struct reply *reply, struct guest *ret_guest)
{
    const char *role = fields_text(fields, "role"), *token = fields_text(fields, "jwt");
    const struct jwt_demands demands = {.audience = devca->audience, .may_be_undated = true};
    json_auto_t *claims = NULL;
    const char *why, *namespace, *name;

    if (role[0] == '\0' || token[0] == '\0')
        return reply_error(reply, 400, role[0] == '\0' ? "missing role" : "missing jwt");
    ret_guest->role = roles_auth(&devca->roles, role);
    if (ret_guest->role == NULL)
        return reply_error(reply, 400, "invalid role name \"%s\"", role);
    claims = jwt_open(&request->arena, token, devca->jwt_key, &why);
    if (claims == NULL)
        return reply_error(reply, 403, "permission denied");
    why = jwt_refusal(claims, &demands);
    if (why != NULL)
        return reply_error(reply, 403, "%s", why);
    if (json_is_string(json_object_get(claims, "aud")))
        return reply_error(reply, 500,
                           "1 error(s) decoding:\n\n* 'aud': source data must be an "
                           "array or slice, got string");
    namespace = claim_text(claims, NULL, "namespace");
    name = claim_text(claims, "serviceaccount", "name");
    why = refuse_account(ret_guest->role->bound_subject, namespace, name);
    if (why != NULL)
        return reply_error(reply, 403, "%s", why);
    ret_guest->display_name = arena_format(&request->arena, "kubernetes-%s-%s", namespace, name);
    ret_guest->metadata =
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "role", role, "service_account_name", name,
                  "service_account_namespace", namespace, "service_account_secret_name", "",
                  "service_account_uid", claim_text(claims, "serviceaccount", "uid"));
    return true;
}

static bool by_jwt(struct devca *devca, struct request *request, struct fields *fields,
                   struct reply *reply, struct guest *ret_guest)
{
    const char *role = fields_text(fields, "role"), *token = fields_text(fields, "jwt");
    struct jwt_demands demands = {.audience = devca->audience};
    json_auto_t *claims = NULL;
    const char *why, *subject;

    if (role[0] == '\0')
        return reply_error(reply, 400, "missing role");
    ret_guest->role = roles_auth(&devca->roles, role);
    if (ret_guest->role == NULL)
        return reply_error(reply, 400, "role \"%s\" could not be found", role);
    if (token[0] == '\0')
        return reply_error(reply, 400, "missing token");
    claims = jwt_open(&request->arena, token, devca->jwt_key, &why);
    if (claims == NULL)
        return reply_error(reply, 400,
                           "error validating token: error verifying token signature: %s", why);
    demands.subject = ret_guest->role->bound_subject;
    why = jwt_refusal(claims, &demands);
    if (why != NULL)
        return reply_error(reply, 400, "error validating token: %s", why);
    subject = json_string_value(json_object_get(claims, "sub"));
    if (subject == NULL)
        return reply_error(reply, 400, "claim \"sub\" not found in token");
    ret_guest->display_name = arena_format(&request->arena, "jwt-%s", subject);
    /* As with claim_mappings from /kubernetes.io/namespace and /kubernetes.io/serviceaccount/name.
     */
    ret_guest->metadata =
        json_pack("{s:s, s:s, s:s}", "role", role, "service_account_name",
                  claim_text(claims, "serviceaccount", "name"), "service_account_namespace",
                  claim_text(claims, NULL, "namespace"));
    return true;
}

/* -- approle and cert ------------------------------------------------------------------------- */

static bool by_approle(struct devca *devca, struct request *request, struct fields *fields,
                       struct reply *reply, struct guest *ret_guest)
{
    const char *role_id = fields_text(fields, "role_id");
    const char *secret_id = fields_text(fields, "secret_id");

    (void)request;
    if (role_id[0] == '\0')
        return reply_error(reply, 500, "failed to determine alias name from login request");
    if (strcmp(role_id, devca->role_id) == 0 && secret_id[0] == '\0')
        return reply_error(reply, 400, "missing secret_id");
    if (strcmp(role_id, devca->role_id) != 0 || strcmp(secret_id, devca->secret_id) != 0)
        return reply_error(reply, 400, "invalid role or secret ID");
    ret_guest->role = devca->roles.auth;
    ret_guest->display_name = "approle";
    ret_guest->metadata = json_pack("{s:s}", "role_name", ret_guest->role->name);
    return true;
}

/* Whether the CA for TLS signed it, it is for clients, and now is inside its validity. */
static bool is_our_client(const struct devca *devca, X509 *certificate)
{
    CLEANUP(drop_store) X509_STORE *store = X509_STORE_new();
    CLEANUP(drop_store_context) X509_STORE_CTX *context = X509_STORE_CTX_new();
    bool ours;

    MUST(store != NULL && context != NULL &&
         X509_STORE_add_cert(store, devca->ca.tls->certificate) == 1 &&
         X509_STORE_CTX_init(context, store, certificate, NULL) == 1 &&
         X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT) == 1);
    ours = X509_verify_cert(context) == 1;
    ERR_clear_error();
    return ours;
}

static char *octets_text(struct arena *arena, const ASN1_OCTET_STRING *octets)
{
    return octets == NULL ? arena_copy(arena, "")
                          : pem_colons(arena, ASN1_STRING_get0_data(octets),
                                       (size_t)ASN1_STRING_length(octets));
}

static json_t *certificate_metadata(struct arena *arena, X509 *certificate, const char *role)
{
    char common_name[256] = "";
    CLEANUP(drop_bignum)
    BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    CLEANUP(drop_openssl) char *digits = serial == NULL ? NULL : BN_bn2dec(serial);

    MUST(digits != NULL);
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, common_name,
                              sizeof common_name);
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "authority_key_id",
                     octets_text(arena, X509_get0_authority_key_id(certificate)), "cert_name", role,
                     "common_name", common_name, "serial_number", digits, "subject_key_id",
                     octets_text(arena, X509_get0_subject_key_id(certificate)));
}

static bool by_certificate(struct devca *devca, struct request *request, struct fields *fields,
                           struct reply *reply, struct guest *ret_guest)
{
    const char *name = fields_text(fields, "name");

    if (request->client == NULL)
        return reply_error(reply, 400, "client certificate must be supplied");
    ret_guest->role = name[0] == '\0' ? devca->roles.auth : roles_auth(&devca->roles, name);
    if (ret_guest->role == NULL || !is_our_client(devca, request->client))
        return reply_error(reply, 400,
                           "failed to match all constraints for this login certificate");
    ret_guest->display_name = arena_format(&request->arena, "cert-%s", ret_guest->role->name);
    ret_guest->metadata =
        certificate_metadata(&request->arena, request->client, ret_guest->role->name);
    return true;
}

static const struct mount {
    const char *name;
    method *log_in;
    const char *known[4]; /* the fields that it takes */
} mounts[] = {
    {"kubernetes", by_kubernetes, {"role", "jwt"}},
    {"jwt", by_jwt, {"role", "jwt", "distributed_claim_access_token"}},
    {"approle", by_approle, {"role_id", "secret_id"}},
    {"cert", by_certificate, {"name"}},
};

void login(struct devca *devca, struct request *request, struct reply *reply)
{
    struct fields fields = {.body = request->body, .arena = &request->arena};
    const struct mount *mount = NULL;
    const struct token *token;
    struct guest guest = {0};
    const char *path;
    bool welcome;

    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++)
        if (strcmp(mounts[i].name, request->captured[0]) == 0)
            mount = &mounts[i];
    if (mount == NULL) {
        reply_error(reply, 403, "permission denied");
        return;
    }
    welcome = mount->log_in(devca, request, &fields, reply, &guest);
    if (fields.failure != NULL)
        reply_error(reply, 400, "%s", fields.failure);
    if (!welcome || fields.failure != NULL) {
        json_decref(guest.metadata);
        return;
    }
    path = arena_format(&request->arena, "auth/%s/login", mount->name);
    MUST(guest.metadata != NULL && guest.display_name != NULL && path != NULL);
    token = tokens_issue(&devca->tokens, guest.role, path, guest.display_name, guest.metadata);
    furnish_token(devca, token->text);
    reply_auth(reply, token_auth(devca, token), "");
    fields_warn_unknown(&fields, mount->known, reply);
}
