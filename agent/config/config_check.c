#include "config/config_check.h"

#include "base/environment.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct checking {
    const struct config *config;
    const struct config_document *document;
    struct config_problems *problems;
};

static void complain(const struct checking *checking, const char *kind, const char *name,
                     const char *key, const char *text)
{
    struct config_place place = config_place_of(checking->document, kind, name, key);

    config_problem(checking->problems, &place, "%s", text);
}

/* The same for a key of a set. */
static void complain_in(const struct checking *checking, const struct cert_config *cert,
                        const char *key, const char *text)
{
    complain(checking, config_kind(cert), cert->name, key, text);
}

/* The item, or "${...}" if it was not written so but is the value of an expansion. */
static const char *shown(const struct checking *checking, const char *key, const char *item)
{
    bool expands = false;

    for (const struct config_section *section = checking->document->sections; section != NULL;
         section = section->next)
        for (const struct config_entry *entry = section->entries; entry != NULL;
             entry = entry->next) {
            if (strcmp(entry->key, key) != 0)
                continue;
            if (strcasestr(entry->value, item) != NULL)
                return item;
            expands |= strstr(entry->value, "${") != NULL;
        }
    return expands ? "${...}" : item;
}

/* The same for an item of a certificate's key. */
static void complain_of(const struct checking *checking, const struct cert_config *cert,
                        const char *key, const char *item, const char *text)
{
    struct config_place place =
        config_place_of(checking->document, config_kind(cert), cert->name, key);

    config_problem(checking->problems, &place, "\"%s\" %s", shown(checking, key, item), text);
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
                 "is set alone; client_certificate and client_key go together");
    if (vault->connect_timeout_s > vault->timeout_s)
        complain(checking, "vault", "", "connect_timeout",
                 "is longer than timeout, which covers it; make it shorter");
}

/* Whether the method needs the key, and whether it reads it at all. */
static void check_auth_key(const struct checking *checking, const char *key, const char *value,
                           bool reads, bool needs)
{
    const char *method = auth_method_words[checking->config->auth.method];
    struct config_place place = config_place_of(checking->document, "auth", "", key);

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

    check_auth_key(checking, "role", auth->role, jwt || method == AUTH_CERT,
                   method == AUTH_KUBERNETES);
    check_auth_key(checking, "token_file", auth->token_file, jwt || method == AUTH_TOKEN,
                   method == AUTH_JWT || (method == AUTH_TOKEN && !environment_has_token()));
    check_auth_key(checking, "role_id", auth->role_id, approle,
                   approle && auth->role_id_file == NULL);
    check_auth_key(checking, "role_id_file", auth->role_id_file, approle, false);
    check_auth_key(checking, "secret_id_file", auth->secret_id_file, approle, false);
    if (auth->role_id != NULL && auth->role_id_file != NULL)
        complain(checking, "auth", "", "role_id_file",
                 "is set beside role_id; keep one of the two");
    if (method == AUTH_CERT && checking->config->vault.client_certificate == NULL)
        complain(checking, "vault", "", "client_certificate",
                 "is missing; [auth] method = cert logs in with client_certificate and client_key");
}

/* Vault and OpenBao drop names with an underscore from the fields of a request, but not from a
 * CSR. */
static void check_underscores(const struct checking *checking, const struct cert_config *cert)
{
    struct config_place place;

    if (!cert->request_names && cert->key_origin.source != KEY_FROM_VAULT)
        return;
    for (size_t i = 0; i < cert->request.names.dns.count; i++) {
        if (strchr(cert->request.names.dns.items[i], '_') == NULL)
            continue;
        place = config_place_of(checking->document, "cert", cert->name, "dns_names");
        config_problem(checking->problems, &place,
                       "\"%s\" holds an underscore, and the CA drops such names from a request; "
                       "write it without, or let the CSR carry it: %s",
                       shown(checking, "dns_names", cert->request.names.dns.items[i]),
                       cert->request_names ? "request_names = no" : "key_source = local");
    }
}

/* Whether the section itself asks for a new key each time. */
static bool rotates(const struct cert_config *cert)
{
    return config_entry_find(cert->own, "key_rotation") != NULL &&
           cert->key_rotation == KEY_ROTATE_ALWAYS;
}

static void check_request(const struct checking *checking, const struct cert_config *cert)
{
    const struct names *names = &cert->request.names;

    if (cert->pki_role == NULL)
        complain_in(checking, cert, "pki_role",
                    "is missing; write the PKI role that signs it, such as pki_role = web-servers");
    if (names->common_name == NULL && names_count(names) == 0)
        complain_in(checking, cert, "dns_names",
                    "is missing, and so is every other name; write dns_names, ip_addresses, uris, "
                    "email_addresses or common_name");
    if (cert->renewal.before_s != 0 && cert->renewal.to_percent != 0)
        complain_in(checking, cert, "renew_before", "is set beside renew_at; keep one of the two");
    if (cert->request.ttl_s != 0 && cert->renewal.before_s >= cert->request.ttl_s)
        complain_in(
            checking, cert, "renew_before",
            "is not shorter than ttl: the certificate would be due at once; make it shorter");
    if (cert->key_origin.source == KEY_FROM_VAULT && cert->key_rotation == KEY_ROTATE_NEVER)
        complain_in(checking, cert, "key_rotation",
                    "cannot be never with key_source = vault: the CA makes a new key each time");
    if (cert->key_origin.source == KEY_FROM_FILE && rotates(cert))
        complain_in(checking, cert, "key_rotation",
                    "cannot be always with key_source = file: the key is whatever the file holds; "
                    "leave it out");
    if (cert->key_origin.source == KEY_FROM_VAULT && cert->request_names)
        complain_in(checking, cert, "request_names",
                    "has no effect with key_source = vault: there is no CSR; remove it");
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

    if (config_output(cert, CONTENT_CRL) != NULL && !cert->is_trust)
        complain_in(checking, cert, "file",
                    "has a crl, which is renewed at other times than a certificate; write it into "
                    "a [trust NAME] section with the same reload");
    if (cert->directory == NULL)
        complain_in(checking, cert, "directory",
                    "is missing; write where the files go, such as directory = /etc/nginx/tls");
    if (cert->outputs.count == 0)
        complain_in(checking, cert, "file",
                    "is missing; write for example file = tls.crt fullchain, or take a template");
    for (size_t i = 0; i < cert->outputs.count; i++)
        key |= content_holds_key(cert->outputs.items[i].content);
    if (cert->outputs.count > 0 && !key && !cert->is_trust &&
        cert->key_origin.source != KEY_FROM_FILE)
        complain_in(checking, cert, "file",
                    "has no line with the key, and a consumer needs it; add "
                    "for example file = tls.key key");
    for (size_t i = 0; i < cert->links.count; i++) {
        const struct outside_link *link = &cert->links.items[i];
        size_t length = cert->directory == NULL ? 0 : strlen(cert->directory);

        if (find_output(cert, link->name) == NULL)
            complain_of(checking, cert, "link", link->name,
                        "is not a file of the set; name one of the file lines");
        if (length > 0 && strncmp(link->path, cert->directory, length) == 0 &&
            link->path[length] == '/')
            complain_of(checking, cert, "link", link->path,
                        "lies inside directory; give the file that name instead");
    }
}

/* What a set without a certificate of its own can hold, and how its consumer can be checked. */
static void check_trust(const struct checking *checking, const struct cert_config *cert)
{
    if (cert->trust_anchor == NULL)
        complain_in(checking, cert, "trust_anchor",
                    "is missing; leafd believes the CA only as far as its certificates end at one "
                    "that you trust, write trust_anchor = /etc/leafd/root.pem");
    for (size_t i = 0; i < cert->outputs.count; i++)
        if (content_needs_leaf(cert->outputs.items[i].content))
            complain_of(checking, cert, "file", content_words[cert->outputs.items[i].content],
                        "needs a certificate of its own, and [trust] has none; write ca, "
                        "truststore, envoy-sds-ca or crl");
    if (config_output(cert, CONTENT_CRL) == NULL &&
        (cert->crl_mounts.count > 0 || cert->crl_file != NULL))
        complain_in(checking, cert, cert->crl_file != NULL ? "crl_file" : "crl_mounts",
                    "has no effect without a file of that content; add file = peers.crl crl");
    if (cert->prove.method != PROVE_NONE && cert->prove.method != PROVE_EXEC)
        complain_in(checking, cert, "prove",
                    "can only be none or exec in [trust]: there is no certificate that a consumer "
                    "could serve; write for example prove = exec /usr/local/bin/check-peers");
}

/* Commands name a section without its kind. */
static void check_names_apart(const struct checking *checking)
{
    const struct config *config = checking->config;

    for (size_t i = 1; i < config->cert_count; i++) {
        const struct cert_config *one = config->by_name[i - 1], *other = config->by_name[i];
        const struct cert_config *trust = one->is_trust ? one : other;
        struct config_place place =
            config_place_of(checking->document, config_kind(trust), trust->name, "");

        place.key = NULL;
        if (strcmp(one->name, other->name) == 0)
            config_problem(checking->problems, &place,
                           "has the name of [cert %s], and commands could not tell them apart; "
                           "write for example [trust %s-ca]",
                           trust->name, trust->name);
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

    /* Envoy parses files with any other suffix as JSON: MessageUtil::loadFromFile. */
    if ((sds != NULL && !is_yaml(sds)) || (sds_ca != NULL && !is_yaml(sds_ca)))
        complain_in(checking, cert, "file",
                    "has an envoy-sds or envoy-sds-ca whose name does not end in .yaml, and Envoy "
                    "reads no other; write for example file = sds.yaml envoy-sds");
    if (sds != NULL && (config_output(cert, CONTENT_FULLCHAIN) == NULL ||
                        config_output(cert, CONTENT_KEY) == NULL))
        complain_in(
            checking, cert, "file",
            "has an envoy-sds, which names the files with fullchain and key, and one of them "
            "is missing; add file = tls.crt fullchain and file = tls.key key");
    if (sds_ca != NULL && config_output(cert, CONTENT_CA) == NULL)
        complain_in(checking, cert, "file",
                    "has an envoy-sds-ca, which names the file with ca, and that is missing; add "
                    "file = ca.crt ca");
}

/* Keys and files that other files depend on. */
static void check_formats(const struct checking *checking, const struct cert_config *cert)
{
    bool keystore = config_output(cert, CONTENT_PKCS12) != NULL ||
                    config_output(cert, CONTENT_TRUSTSTORE) != NULL;

    if (keystore && cert->keystore_password_file == NULL)
        complain_in(checking, cert, "keystore_password_file",
                    "is missing; pkcs12 and truststore need it, write for example "
                    "keystore_password_file = " LEAFD_CONFIGURATION_DIRECTORY "/keystore-password");
    if (cert->key_encoding == KEY_TRADITIONAL && cert->request.key_type == KEY_ED25519)
        complain_in(checking, cert, "key_encoding",
                    "cannot be traditional with key_type = ed25519, which is PKCS#8 only; write "
                    "key_encoding = pkcs8");
    check_sds(checking, cert);
}

static void check_reload(const struct checking *checking, const struct cert_config *cert)
{
    for (size_t i = 0; i < cert->reloads.count; i++)
        if (cert->reloads.items[i].verb == RELOAD_NONE && cert->reloads.count > 1)
            complain_in(checking, cert, "reload", "has none beside other lines; remove the none");
    for (size_t i = 0; i < cert->reloads.count; i++)
        if (cert->reloads.items[i].payload != NULL &&
            find_output(cert, cert->reloads.items[i].payload) == NULL)
            complain_of(checking, cert, "reload", cert->reloads.items[i].payload,
                        "after << is not a file of the set; name one of the file lines");
}

/* A path that belongs to one certificate: its directory or one of its links. */
struct claim {
    const char *path;
    const struct cert_config *cert;
    bool link;
};

/* Compares paths so that '/' sorts first: the entries of a directory follow it directly. */
static int by_path(const void *a, const void *b)
{
    const struct claim *first = a, *second = b;
    const char *one = first->path, *other = second->path;

    while (*one == *other && *one != '\0') {
        one++;
        other++;
    }
    if (*one == *other)
        return first->link - second->link;
    if (*one == '\0' || *other == '\0')
        return *one == '\0' ? -1 : 1;
    if (*one == '/' || *other == '/')
        return *one == '/' ? -1 : 1;
    return (unsigned char)*one - (unsigned char)*other;
}

static bool lies_in(const char *path, const char *directory)
{
    const char *rest = text_starts(path, directory);

    return rest != NULL && rest[0] == '/';
}

/* Reports two paths that exclude each other; `second` sorts after `first`. */
static void check_claims(const struct checking *checking, const struct claim *first,
                         const struct claim *second)
{
    const char *key = second->link ? "link" : "directory";
    struct config_place place =
        config_place_of(checking->document, config_kind(second->cert), second->cert->name, key);
    const char *kind = config_kind(first->cert), *name = first->cert->name;
    bool same = strcmp(first->path, second->path) == 0;
    const char *path = shown(checking, key, second->path);

    if (same && second->link)
        config_problem(checking->problems, &place,
                       "\"%s\" is also a %s of [%s %s]; a path leads to one set, write another",
                       path, first->link ? "link" : "directory", kind, name);
    else if (same)
        config_problem(checking->problems, &place,
                       "\"%s\" is also the directory of [%s %s]; a set has its directory to "
                       "itself, write for example .../${cert.name}",
                       path, kind, name);
    else if (!first->link && lies_in(second->path, first->path))
        config_problem(checking->problems, &place,
                       "\"%s\" lies inside the directory of [%s %s]; a set has its directory to "
                       "itself, write a path beside it",
                       path, kind, name);
    else if (first->link && lies_in(second->path, first->path))
        config_problem(checking->problems, &place,
                       "\"%s\" lies below a link of [%s %s], which is no directory; write "
                       "another path",
                       path, kind, name);
}

static size_t collect_claims(const struct config *config, struct claim *claims)
{
    size_t count = 0;

    for (size_t i = 0; i < config->cert_count; i++) {
        const struct cert_config *cert = &config->certs[i];

        if (cert->directory != NULL)
            claims[count++] = (struct claim){cert->directory, cert, false};
        for (size_t j = 0; j < cert->links.count; j++)
            claims[count++] = (struct claim){cert->links.items[j].path, cert, true};
    }
    return count;
}

static void check_paths_apart(const struct checking *checking)
{
    const struct config *config = checking->config;
    size_t most = config->cert_count, count;
    const struct claim *top;
    struct claim *claims;

    for (size_t i = 0; i < config->cert_count; i++)
        most += config->certs[i].links.count;
    claims = calloc(most + 1, sizeof *claims);
    if (claims == NULL) {
        config_problem(checking->problems, &(struct config_place){0}, "memory ran out");
        return;
    }
    count = collect_claims(config, claims);
    qsort(claims, count, sizeof *claims, by_path);
    top = claims;
    for (size_t i = 1; i < count; i++) {
        /* check_files reports a link inside its own set's directory. */
        if (strcmp(top->path, claims[i].path) != 0 && !lies_in(claims[i].path, top->path))
            top = &claims[i];
        else if (!(claims[i].link && !top->link && claims[i].cert == top->cert &&
                   lies_in(claims[i].path, top->path)))
            check_claims(checking, top, &claims[i]);
    }
    free(claims);
}

void config_check(const struct config *config, const struct config_document *document,
                  struct config_problems *problems)
{
    const struct checking checking = {config, document, problems};

    check_vault(&checking);
    if (config_needs_login(config) || config_section_find(document, "auth", "") != NULL)
        check_auth(&checking);
    if (config->cert_count == 0)
        config_problem(problems,
                       &(struct config_place){
                           .file = document->sections == NULL ? NULL : document->sections->file},
                       "there is no [cert NAME] section; add one for each certificate");
    for (size_t i = 0; i < config->cert_count; i++) {
        if (config->certs[i].is_trust) {
            check_trust(&checking, &config->certs[i]);
        } else {
            check_request(&checking, &config->certs[i]);
            check_underscores(&checking, &config->certs[i]);
        }
        check_files(&checking, &config->certs[i]);
        check_formats(&checking, &config->certs[i]);
        check_reload(&checking, &config->certs[i]);
    }
    check_names_apart(&checking);
    check_paths_apart(&checking);
}
