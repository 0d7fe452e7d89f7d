#include "config/config_check.h"

#include <stdlib.h>
#include <string.h>

struct checking {
    const struct config *config;
    const struct config_document *document;
    struct config_problems *problems;
};

/* Where the key stands in the section, or the section itself, or where it ought to stand. */
static struct config_place place_of(const struct checking *checking, const char *kind,
                                    const char *name, const char *key)
{
    const struct config_section *section = config_section_find(checking->document, kind, name);
    const struct config_entry *entry = config_entry_find(section, key);
    struct config_place place = {.section = kind, .key = key};

    if (section != NULL) {
        place.file = section->file;
        place.line = entry == NULL ? section->line : entry->line;
        place.section = section->title;
    } else if (checking->document->sections != NULL) {
        place.file = checking->document->sections->file;
    }
    return place;
}

static void complain(const struct checking *checking, const char *kind, const char *name,
                     const char *key, const char *text)
{
    struct config_place place = place_of(checking, kind, name, key);

    config_problem(checking->problems, &place, "%s", text);
}

static void check_vault(const struct checking *checking)
{
    const struct vault_config *vault = &checking->config->vault;

    if (vault->address == NULL)
        complain(checking, "vault", "", "address",
                 "is missing; write address = https://HOST:8200, or set VAULT_ADDR");
    if ((vault->client_certificate == NULL) != (vault->client_key == NULL))
        complain(checking, "vault", "",
                 vault->client_key == NULL ? "client_certificate" : "client_key",
                 "stands alone; client_certificate and client_key go together");
    if (vault->connect_timeout_s > vault->timeout_s)
        complain(checking, "vault", "", "connect_timeout",
                 "is longer than timeout, which covers it; make it shorter");
}

static void check_agent(const struct checking *checking)
{
    const struct agent_config *agent = &checking->config->agent;

    if (agent->ca_spread_s < 2 * agent->ca_poll_s)
        complain(checking, "agent", "", "ca_spread",
                 "is shorter than twice ca_poll, so that certificates of a new CA could be shown "
                 "before everybody trusts it; make it longer");
}

/* Which keys of [auth] a method needs, and which it reads at all. */
static void check_auth_key(const struct checking *checking, const char *key, const char *value,
                           bool reads, bool needs)
{
    const char *method = auth_method_words[checking->config->auth.method];
    struct config_place place = place_of(checking, "auth", "", key);

    if (value != NULL && !reads)
        config_problem(checking->problems, &place, "is not read by method %s; remove it", method);
    if (value == NULL && needs)
        config_problem(checking->problems, &place, "is missing; method %s needs it", method);
}

static void check_auth(const struct checking *checking)
{
    const struct auth_config *auth = &checking->config->auth;
    enum auth_method method = auth->method;
    bool jwt = method == AUTH_KUBERNETES || method == AUTH_JWT;
    bool approle = method == AUTH_APPROLE;
    bool no_token = getenv("BAO_TOKEN") == NULL && getenv("VAULT_TOKEN") == NULL;

    check_auth_key(checking, "role", auth->role, jwt || method == AUTH_CERT,
                   method == AUTH_KUBERNETES);
    check_auth_key(checking, "token_file", auth->token_file, jwt || method == AUTH_TOKEN,
                   method == AUTH_JWT || (method == AUTH_TOKEN && no_token));
    check_auth_key(checking, "role_id", auth->role_id, approle,
                   approle && auth->role_id_file == NULL);
    check_auth_key(checking, "role_id_file", auth->role_id_file, approle, false);
    check_auth_key(checking, "secret_id_file", auth->secret_id_file, approle, false);
    if (auth->role_id != NULL && auth->role_id_file != NULL)
        complain(checking, "auth", "", "role_id_file",
                 "stands beside role_id, which says the same; keep one");
    if (method == AUTH_CERT && checking->config->vault.client_certificate == NULL)
        complain(checking, "vault", "", "client_certificate",
                 "is missing; [auth] method = cert logs in with client_certificate and client_key");
}

static void check_wish(const struct checking *checking, const struct cert_config *cert)
{
    const struct names *names = &cert->wish.names;

    if (cert->pki_role == NULL)
        complain(checking, "cert", cert->name, "pki_role",
                 "is missing; write the PKI role that signs it, such as pki_role = web-servers");
    if (names->common_name == NULL && names_count(names) == 0)
        complain(checking, "cert", cert->name, "dns_names",
                 "is missing, and so is every other name; write dns_names, ip_addresses, uris, "
                 "email_addresses or common_name");
    if (cert->renewal.before_s != 0 && cert->renewal.to_percent != 0)
        complain(checking, "cert", cert->name, "renew_before",
                 "stands beside renew_at; keep one of the two");
    if (cert->wish.ttl_s != 0 && cert->renewal.before_s >= cert->wish.ttl_s)
        complain(checking, "cert", cert->name, "renew_before",
                 "is not shorter than ttl: the certificate would be due at once; make it shorter");
    if (cert->key_source == KEY_FROM_VAULT && cert->key_rotation == KEY_ROTATE_NEVER)
        complain(checking, "cert", cert->name, "key_rotation",
                 "cannot be never with key_source = vault: the CA makes a new key each time");
    if (cert->key_source == KEY_FROM_VAULT && cert->request_names)
        complain(checking, "cert", cert->name, "request_names",
                 "says nothing with key_source = vault: there is no CSR; remove it");
}

static const struct output *find_output(const struct cert_config *cert, const char *name)
{
    for (size_t i = 0; i < cert->outputs.count; i++)
        if (strcmp(cert->outputs.items[i].name, name) == 0)
            return &cert->outputs.items[i];
    return NULL;
}

static void check_files(const struct checking *checking, const struct cert_config *cert)
{
    bool key = false;

    if (cert->directory == NULL)
        complain(checking, "cert", cert->name, "directory",
                 "is missing; write where the files go, such as directory = /etc/nginx/tls");
    if (cert->outputs.count == 0)
        complain(checking, "cert", cert->name, "file",
                 "is missing; write for example file = tls.crt fullchain, or take a template");
    for (size_t i = 0; i < cert->outputs.count; i++)
        key |= content_holds_key(cert->outputs.items[i].content);
    if (cert->outputs.count > 0 && !key)
        complain(checking, "cert", cert->name, "file",
                 "has no line with the key, and without it the certificate is of no use; add "
                 "for example file = tls.key key");
    for (size_t i = 0; i < cert->links.count; i++) {
        const struct outside_link *link = &cert->links.items[i];
        size_t length = cert->directory == NULL ? 0 : strlen(cert->directory);

        if (find_output(cert, link->name) == NULL)
            complain(checking, "cert", cert->name, "link",
                     "points to a file that no file line makes; name one of them");
        if (length > 0 && strncmp(link->path, cert->directory, length) == 0 &&
            link->path[length] == '/')
            complain(checking, "cert", cert->name, "link",
                     "lies inside directory; give the file that name instead");
    }
}

static bool is_yaml(const struct output *output)
{
    size_t length = strlen(output->name);

    return (length > 5 && strcmp(output->name + length - 5, ".yaml") == 0) ||
           (length > 4 && strcmp(output->name + length - 4, ".yml") == 0);
}

static void check_sds(const struct checking *checking, const struct cert_config *cert)
{
    const struct output *sds = config_output(cert, CONTENT_ENVOY_SDS);
    const struct output *sds_ca = config_output(cert, CONTENT_ENVOY_SDS_CA);

    /* Envoy takes what is named otherwise for JSON: MessageUtil::loadFromFile. */
    if ((sds != NULL && !is_yaml(sds)) || (sds_ca != NULL && !is_yaml(sds_ca)))
        complain(checking, "cert", cert->name, "file",
                 "has an envoy-sds or envoy-sds-ca whose name does not end in .yaml, and Envoy "
                 "reads no other; write for example file = sds.yaml envoy-sds");
    if (sds != NULL && (config_output(cert, CONTENT_FULLCHAIN) == NULL ||
                        config_output(cert, CONTENT_KEY) == NULL))
        complain(checking, "cert", cert->name, "file",
                 "has an envoy-sds, which names the files with fullchain and key, and one of them "
                 "is missing; add file = tls.crt fullchain and file = tls.key key");
    if (sds_ca != NULL && config_output(cert, CONTENT_CA) == NULL)
        complain(checking, "cert", cert->name, "file",
                 "has an envoy-sds-ca, which names the file with ca, and that is missing; add "
                 "file = ca.crt ca");
}

/* What a kind of file needs besides its own line. */
static void check_formats(const struct checking *checking, const struct cert_config *cert)
{
    bool keystore = config_output(cert, CONTENT_PKCS12) != NULL ||
                    config_output(cert, CONTENT_TRUSTSTORE) != NULL;

    if (keystore && cert->keystore_password_file == NULL)
        complain(checking, "cert", cert->name, "keystore_password_file",
                 "is missing; pkcs12 and truststore need it, write for example "
                 "keystore_password_file = /etc/leafd/keystore-password");
    if (cert->key_encoding == KEY_TRADITIONAL && cert->wish.key_type == KEY_ED25519)
        complain(checking, "cert", cert->name, "key_encoding",
                 "cannot be traditional with key_type = ed25519, which is PKCS#8 only; write "
                 "key_encoding = pkcs8");
    check_sds(checking, cert);
}

static void check_reload(const struct checking *checking, const struct cert_config *cert)
{
    for (size_t i = 0; i < cert->reloads.count; i++)
        if (cert->reloads.items[i].verb == RELOAD_NONE && cert->reloads.count > 1)
            complain(checking, "cert", cert->name, "reload",
                     "says none beside other lines; remove the none");
    for (size_t i = 0; i < cert->reloads.count; i++)
        if (cert->reloads.items[i].payload != NULL &&
            find_output(cert, cert->reloads.items[i].payload) == NULL)
            complain(checking, "cert", cert->name, "reload",
                     "sends a file behind << that no file line makes; name one of them");
}

static int by_directory(const void *a, const void *b)
{
    const struct cert_config *const *first = a, *const *second = b;

    return strcmp((*first)->directory, (*second)->directory);
}

static void check_directories_apart(const struct checking *checking)
{
    size_t count = checking->config->cert_count, known = 0;
    const struct cert_config **sorted = calloc(count + 1, sizeof *sorted);

    if (sorted == NULL) {
        config_problem(checking->problems, &(struct config_place){0}, "memory ran out");
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (checking->config->certs[i].directory != NULL)
            sorted[known++] = &checking->config->certs[i];
    qsort(sorted, known, sizeof *sorted, by_directory);
    for (size_t i = 1; i < known; i++) {
        struct config_place place;

        if (strcmp(sorted[i - 1]->directory, sorted[i]->directory) != 0)
            continue;
        place = place_of(checking, "cert", sorted[i]->name, "directory");
        config_problem(checking->problems, &place,
                       "is also the directory of [cert %s]; a set has its directory to itself, "
                       "write for example .../${cert.name}",
                       sorted[i - 1]->name);
    }
    free(sorted);
}

void config_check(const struct config *config, const struct config_document *document,
                  struct config_problems *problems)
{
    const struct checking checking = {config, document, problems};

    check_vault(&checking);
    check_auth(&checking);
    check_agent(&checking);
    if (config->cert_count == 0)
        config_problem(problems,
                       &(struct config_place){
                           .file = document->sections == NULL ? NULL : document->sections->file},
                       "there is no [cert NAME] section; add one for each certificate");
    for (size_t i = 0; i < config->cert_count; i++) {
        check_wish(&checking, &config->certs[i]);
        check_files(&checking, &config->certs[i]);
        check_formats(&checking, &config->certs[i]);
        check_reload(&checking, &config->certs[i]);
    }
    check_directories_apart(&checking);
}
