#include "pki_calls.h"

#include "base/clock.h"

#include "devca.h"
#include "fields.h"
#include "moment.h"
#include "must.h"
#include "owned.h"
#include "pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <string.h>

/* -- the CA -------------------------------------------------------------------------------------
 */

void pki_ca(struct devca *devca, struct request *request, struct reply *reply)
{
    CLEANUP(drop_openssl) unsigned char *der = NULL;
    int length = i2d_X509(devca->ca.current->certificate, &der);

    (void)request;
    MUST(length > 0);
    reply_bytes(reply, "application/pkix-cert", der, (size_t)length);
}

void pki_ca_pem(struct devca *devca, struct request *request, struct reply *reply)
{
    (void)request;
    reply_text(reply, "application/pem-certificate-chain", devca->ca.current->pem);
}

/* An issuer and its parents as one text without a line break at its end. */
static const char *chain_text(struct arena *arena, const struct authority *issuer)
{
    const char *text = issuer->pem;

    for (issuer = issuer->parent; issuer != NULL; issuer = issuer->parent) {
        text = arena_format(arena, "%s\n%s", text, issuer->pem);
        MUST(text != NULL);
    }
    return text;
}

void pki_ca_chain(struct devca *devca, struct request *request, struct reply *reply)
{
    reply_text(reply, "application/pkix-cert", chain_text(&request->arena, devca->ca.current));
}

/* -- issuers ------------------------------------------------------------------------------------
 */

void pki_issuers(struct devca *devca, struct request *request, struct reply *reply)
{
    json_t *keys = json_array(), *info = json_object();

    (void)request;
    for (const struct authority *at = devca->ca.issuers; at != NULL; at = at->next) {
        json_t *one = json_pack("{s:s, s:s, s:b, s:s}", "issuer_name", at->name, "serial_number",
                                at->serial, "is_default", at == devca->ca.current, "key_id",
                                at->may_sign ? at->key_id : "");

        MUST(one != NULL && json_array_append_new(keys, json_string(at->id)) == 0 &&
             json_object_set_new(info, at->id, one) == 0);
    }
    reply_data(reply, json_pack("{s:o, s:o}", "keys", keys, "key_info", info), "pki");
}

static const struct authority *find_issuer(const struct devca *devca, const char *reference,
                                           struct reply *reply)
{
    const struct authority *issuer = ca_find(&devca->ca, reference);

    if (issuer == NULL)
        reply_failed(reply, 500, "unable to find PKI issuer for reference: %s", reference);
    return issuer;
}

/* The issuer and what is above it; here the texts end with a line break, unlike those of `sign`. */
static json_t *chain_of(const struct authority *issuer)
{
    json_t *chain = json_array();

    for (const struct authority *at = issuer; at != NULL; at = at->parent)
        MUST(json_array_append_new(chain, json_sprintf("%s\n", at->pem)) == 0);
    return chain;
}

void pki_issuer_json(struct devca *devca, struct request *request, struct reply *reply)
{
    const struct authority *issuer = find_issuer(devca, request->captured[0], reply);
    json_t *data;

    if (issuer == NULL)
        return;
    data = json_pack("{s:o, s:o, s:s, s:s}", "certificate", json_sprintf("%s\n", issuer->pem),
                     "ca_chain", chain_of(issuer), "issuer_id", issuer->id, "issuer_name",
                     issuer->name);
    MUST(data != NULL);
    reply_data(reply, data, "pki");
}

/* devca never looks at its issuers' end. */
void pki_issuer(struct devca *devca, struct request *request, struct reply *reply)
{
    const struct authority *issuer = find_issuer(devca, request->captured[0], reply);
    json_t *data;

    if (issuer == NULL)
        return;
    data = json_pack("{s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:b, s:n}", "certificate",
                     json_sprintf("%s\n", issuer->pem), "ca_chain", chain_of(issuer), "issuer_id",
                     issuer->id, "issuer_name", issuer->name, "key_id",
                     issuer->may_sign ? issuer->key_id : "", "leaf_not_after_behavior", "permit",
                     "usage",
                     issuer->may_sign ? "crl-signing,issuing-certificates,ocsp-signing,read-only"
                                      : "crl-signing,ocsp-signing,read-only",
                     "revoked", 0, "manual_chain");
    MUST(data != NULL);
    reply_data(reply, data, "pki");
}

void pki_issuer_pem(struct devca *devca, struct request *request, struct reply *reply)
{
    const struct authority *issuer = find_issuer(devca, request->captured[0], reply);
    const char *text;

    if (issuer == NULL)
        return;
    text = arena_format(&request->arena, "%s\n", issuer->pem);
    MUST(text != NULL);
    reply_text(reply, "application/pem-certificate-chain", text);
}

/* -- what a token may read -----------------------------------------------------------------------
 */

void pki_mount(struct devca *devca, struct request *request, struct reply *reply)
{
    json_t *data;

    (void)devca;
    if (strcmp(request->captured[0], "pki_int") != 0 ||
        request->holder->role->policy == POLICY_NONE) {
        reply_error(reply, 403,
                    "preflight capability check returned 403, please ensure client's policies "
                    "grant access to path \"%s\"",
                    request->captured[0]);
        return;
    }
    data = json_pack("{s:s, s:s, s:{s:I, s:I, s:b}}", "path", "pki_int/", "type", "pki", "config",
                     "default_lease_ttl", (json_int_t)0, "max_lease_ttl", (json_int_t)0,
                     "force_no_cache", 0);
    MUST(data != NULL);
    reply_data(reply, data, "system");
}

static json_t *texts(const struct text_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->count; i++)
        MUST(json_array_append_new(array, json_string(list->items[i])) == 0);
    return array;
}

void pki_role(struct devca *devca, struct request *request, struct reply *reply)
{
    const struct pki_role *role = roles_pki(&devca->roles, request->captured[0]);
    json_t *data, *more;

    if (role == NULL) {
        reply_missing(reply);
        return;
    }
    data = json_pack(
        "{s:o, s:o, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b}",
        "allowed_domains", texts(&role->allowed_domains), "allowed_uri_sans",
        texts(&role->allowed_uri_sans), "allow_any_name", role->allow_any_name,
        "allow_bare_domains", role->allow_bare_domains, "allow_ip_sans", role->allow_ip_sans,
        "allow_localhost", role->allow_localhost, "allow_subdomains", role->allow_subdomains,
        "allow_wildcard_certificates", role->allow_wildcard_certificates, "client_flag",
        role->client_flag, "enforce_hostnames", role->enforce_hostnames, "no_store", role->no_store,
        "require_cn", role->require_cn, "server_flag", role->server_flag, "use_csr_common_name",
        role->use_csr_common_name, "use_csr_sans", role->use_csr_sans);
    more = json_pack(
        "{s:b, s:b, s:b, s:b, s:b, s:b, s:[ss], s:[], s:[], s:[sss], s:s, s:I, s:I, "
        "s:I, s:s, s:s, s:I}",
        "allow_glob_domains", role->allow_glob_domains, "allow_token_displayname", 0,
        "allowed_domains_template", role->allowed_domains_template, "allowed_uri_sans_template",
        role->allowed_uri_sans_template, "email_protection_flag", 0, "generate_lease", 0,
        "cn_validations", "email", "hostname", "ext_key_usage", "ext_key_usage_oids", "key_usage",
        "DigitalSignature", "KeyAgreement", "KeyEncipherment", "key_type", role->key_type,
        "key_bits", (json_int_t)role->key_bits, "ttl", (json_int_t)role->ttl_s, "max_ttl",
        (json_int_t)role->max_ttl_s, "not_after", "", "issuer_ref", "default",
        "not_before_duration", (json_int_t)role->not_before_duration_s);
    MUST(data != NULL && more != NULL && json_object_update_missing(data, more) == 0);
    json_decref(more);
    reply_data(reply, data, "pki");
}

/* -- certificates by serial number ---------------------------------------------------------------
 */

/* As Vault writes such a moment, and "" for none. */
static const char *revocation_text(struct arena *arena, const struct ledger_entry *entry)
{
    return entry->revoked == 0 ? "" : moment_text(arena, entry->revoked);
}

static const char *crl_text(struct devca *devca, const struct authority *issuer,
                            struct arena *arena)
{
    CLEANUP(drop_crl) X509_CRL *crl = ledger_crl(&devca->ledger, issuer);

    return pem_crl(arena, crl);
}

/* What stands in the place of a serial number and is no certificate of ours; NULL: a serial. */
static json_t *special(struct devca *devca, struct arena *arena, const char *name)
{
    const char *pem = NULL;

    if (strcmp(name, "ca") == 0)
        pem = devca->ca.current->pem;
    else if (strcmp(name, "ca_chain") == 0)
        pem = chain_text(arena, devca->ca.current);
    else if (strcmp(name, "crl") == 0)
        pem = crl_text(devca, devca->ca.current, arena);
    if (pem == NULL)
        return NULL;
    return json_pack("{s:s, s:s, s:i, s:s, s:s}", "ca_chain",
                     strcmp(name, "ca_chain") == 0 ? pem : "", "certificate", pem,
                     "revocation_time", 0, "revocation_time_rfc3339", "", "issuer_id", "");
}

void pki_certificate(struct devca *devca, struct request *request, struct reply *reply)
{
    const char *name = request->captured[0];
    const struct ledger_entry *entry = ledger_find(&devca->ledger, name);
    json_t *data = special(devca, &request->arena, name);

    if (data == NULL && entry != NULL)
        data = json_pack("{s:s, s:s, s:I, s:s, s:s}", "ca_chain", "", "certificate", entry->pem,
                         "revocation_time", (json_int_t)(entry->revoked / MOMENT_SECOND),
                         "revocation_time_rfc3339", revocation_text(&request->arena, entry),
                         "issuer_id", entry->issuer->id);
    if (data != NULL)
        reply_data(reply, data, "pki");
    else
        reply_missing(reply);
}

/* -- revocation ---------------------------------------------------------------------------------
 */

void pki_crl(struct devca *devca, struct request *request, struct reply *reply)
{
    CLEANUP(drop_crl) X509_CRL *crl = ledger_crl(&devca->ledger, devca->ca.current);
    CLEANUP(drop_openssl) unsigned char *der = NULL;
    int length = i2d_X509_CRL(crl, &der);

    (void)request;
    MUST(length > 0);
    reply_bytes(reply, "application/pkix-crl", der, (size_t)length);
}

void pki_crl_pem(struct devca *devca, struct request *request, struct reply *reply)
{
    reply_text(reply, "application/x-pem-file",
               crl_text(devca, devca->ca.current, &request->arena));
}

void pki_issuer_crl(struct devca *devca, struct request *request, struct reply *reply)
{
    const struct authority *issuer = find_issuer(devca, request->captured[0], reply);

    if (issuer != NULL)
        reply_data(reply, json_pack("{s:s}", "crl", crl_text(devca, issuer, &request->arena)),
                   "pki");
}

/* The entry of a certificate that one of our issuers signed, stored or not; NULL: refused. */
static struct ledger_entry *entry_of(struct devca *devca, const char *pem, struct reply *reply)
{
    CLEANUP(drop_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
    CLEANUP(drop_certificate) X509 *certificate = NULL;

    MUST(bio != NULL);
    certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    for (struct authority *at = devca->ca.issuers; certificate != NULL && at != NULL; at = at->next)
        if (X509_verify(certificate, at->key) == 1)
            return ledger_add(&devca->ledger, certificate, at);
    ERR_clear_error();
    reply_error(reply, 400,
                certificate == NULL
                    ? "provided certificate is not a valid PEM block"
                    : "certificate contained in backend does not match provided certificate");
    return NULL;
}

static struct ledger_entry *entry_to_revoke(struct devca *devca, struct fields *fields,
                                            struct reply *reply)
{
    const char *serial = fields_text(fields, "serial_number");
    const char *pem = fields_text(fields, "certificate");
    struct ledger_entry *entry;

    if (fields->failure != NULL)
        reply_error(reply, 400, "%s", fields->failure);
    else if (serial[0] == '\0' && pem[0] == '\0')
        reply_error(reply, 400, "The serial number or certificate to revoke must be provided.");
    else if (serial[0] != '\0' && pem[0] != '\0')
        reply_error(reply, 400,
                    "Must provide either the certificate or the serial to revoke; not "
                    "both.");
    else if (pem[0] != '\0')
        return entry_of(devca, pem, reply);
    else {
        entry = ledger_find(&devca->ledger, serial);
        if (entry == NULL)
            reply_error(reply, 400, "certificate with serial %s not found.", serial);
        return entry;
    }
    return NULL;
}

void pki_revoke(struct devca *devca, struct request *request, struct reply *reply)
{
    static const char *const known[] = {"serial_number", "certificate", NULL};
    struct fields fields = {.body = request->body, .arena = &request->arena};
    struct ledger_entry *entry = entry_to_revoke(devca, &fields, reply);
    json_t *data;

    if (entry == NULL)
        return;
    if (entry->revoked == 0 && entry->not_after_s <= clock_now_s()) {
        const char *warning = arena_format(
            &request->arena, "certificate with serial %s already expired; refusing to add to CRL",
            entry->serial);

        MUST(warning != NULL);
        reply_data(reply, NULL, "pki");
        reply_warn(reply, warning);
        return;
    }
    if (entry->revoked == 0)
        entry->revoked = moment_now();
    data = json_pack("{s:I, s:s, s:s}", "revocation_time",
                     (json_int_t)(entry->revoked / MOMENT_SECOND), "revocation_time_rfc3339",
                     revocation_text(&request->arena, entry), "state", "revoked");
    MUST(data != NULL);
    reply_data(reply, data, "pki");
    fields_warn_unknown(&fields, known, reply);
}
