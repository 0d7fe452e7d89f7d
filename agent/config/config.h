/*
 * config - what the operator asked for, immutable
 *
 * One struct for all of it, made by config_load and never changed after. Every text lives in the
 * configuration's arena. SIGHUP makes a new one; the old one goes when the last certificate that
 * still works from it lets go: hence the count of references.
 */
#ifndef LEAFD_CONFIG_CONFIG_H
#define LEAFD_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/cert_request.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum auth_method {
    AUTH_KUBERNETES,
    AUTH_JWT,
    AUTH_APPROLE,
    AUTH_CERT,
    AUTH_TOKEN,
    AUTH_METHOD_COUNT
};

/* A server of the CA beside the one in `address`. */
struct redirect_host {
    const char *host; /* a name or an address, without brackets */
    uint16_t port;    /* 0: any */
};

/* redirects = no | same-host | HOST[:PORT], ...: where requests may go that the CA sends on */
struct redirect_rule {
    bool none, same_host;        /* as they were written */
    struct redirect_host *hosts; /* beside the host of `address` */
    size_t count;
};

/* [vault]: where the CA is and how it is trusted. A text that was not given is NULL. */
struct vault_config {
    const char *address; /* https://HOST[:PORT], no path */
    const char *ca_file, *ca_path;
    const char *namespace;
    const char *tls_server_name;
    const char *client_certificate, *client_key;
    const char *proxy;
    uint64_t timeout_s, connect_timeout_s;
    struct redirect_rule redirects;
};

/* [auth]: how to log in. */
struct auth_config {
    enum auth_method method;
    const char *mount; /* never NULL */
    const char *role;
    const char *token_file;
    const char *role_id, *role_id_file, *secret_id_file;
    bool revoke_on_exit;
};

enum ready_when { READY_ALL, READY_TRIED };

/* [agent]: the daemon itself. */
struct agent_config {
    enum log_format log_format;
    enum log_level log_level;
    unsigned max_in_flight;
    enum ready_when ready_when;
    bool watch_config;
    uint64_t files_every_s; /* between looks at the files of a set; 0: none */
    uint64_t ca_poll_s;     /* between looks at the CA; 0: none; CA_NEWS_AUTO: by the lifetime */
    uint64_t ca_spread_s;
    const char *template_directory;
};

enum content {
    CONTENT_CERTIFICATE,
    CONTENT_CHAIN,
    CONTENT_FULLCHAIN,
    CONTENT_CA,
    CONTENT_KEY,
    CONTENT_COMBINED,
    CONTENT_BUNDLE,
    CONTENT_METADATA,
    CONTENT_PKCS12,
    CONTENT_TRUSTSTORE,
    CONTENT_CERTIFICATE_DER,
    CONTENT_KEY_DER,
    CONTENT_ENVOY_SDS,
    CONTENT_ENVOY_SDS_CA,
    CONTENT_COUNT
};

enum { OWNER_UNCHANGED = -1 };

/* file = NAME CONTENT [MODE [OWNER[:GROUP]]] */
struct output {
    const char *name;
    enum content content;
    mode_t mode;
    int64_t owner, group; /* uid and gid, or OWNER_UNCHANGED */
    bool mode_given;
};

struct output_list {
    struct output *items;
    size_t count;
};

/* link = PATH NAME */
struct outside_link {
    const char *path, *name;
};

struct link_list {
    struct outside_link *items;
    size_t count;
};

/* Where a consumer's admin interface answers. */
struct http_target {
    const char *url;    /* http:// of this machine, or https:// */
    const char *socket; /* the Unix socket that is asked in place of the URL's host; or NULL */
    const char *label;  /* for people: as it was written, without the query */
};

enum reload_verb {
    RELOAD_NONE,
    RELOAD_SIGNAL_PIDFILE,
    RELOAD_SIGNAL_PROCESS,
    RELOAD_EXEC,
    RELOAD_HTTP,
    RELOAD_UNIT,
    RELOAD_SOCKET
};

struct reload_action {
    enum reload_verb verb;
    int signal;
    const char *target; /* pidfile's path, process name, unit's name, or socket's path */
    int64_t user;       /* of process and socket: whose it may be beside root and us, or -1 */
    struct text_list argv;
    const char *method; /* of http: "POST" */
    struct http_target http;
    const char *line;    /* of socket: what to say */
    const char *payload; /* of socket: the file of the set to send along; NULL: none */
};

struct reload_list {
    struct reload_action *items;
    size_t count;
};

enum prove_method { PROVE_NONE, PROVE_TLS, PROVE_EXEC, PROVE_HTTP };

/* What is said in the clear before TLS begins. */
enum starttls {
    STARTTLS_NONE,
    STARTTLS_POSTGRES,
    STARTTLS_MYSQL,
    STARTTLS_SMTP,
    STARTTLS_IMAP,
    STARTTLS_LDAP,
    STARTTLS_COUNT
};

/* Where a consumer speaks TLS. */
struct tls_target {
    const char *host;        /* a name or an address, IPv6 without brackets; NULL: `socket` */
    const char *port;        /* 1 to 65535 */
    const char *socket;      /* the path of a Unix socket; NULL: `host` and `port` */
    const char *label;       /* for people: as it was written */
    const char *server_name; /* SNI; NULL: the certificate's first DNS name */
    enum starttls starttls;
    bool mutual; /* peers without a certificate and without TLS must be refused */
};

/* prove = tls ..., exec ..., http ... or none: how the consumer is held to serve the leaf */
struct prove_order {
    enum prove_method method;
    struct tls_target tls;
    struct text_list argv;
    struct http_target http;
    const char *json_path; /* where the reply of `http` names what is served: base/json_path */
};

enum key_rotation { KEY_ROTATE_ALWAYS, KEY_ROTATE_NEVER };
enum key_source { KEY_FROM_HERE, KEY_FROM_VAULT };
enum key_encoding { KEY_PKCS8, KEY_TRADITIONAL };
enum keystore_encryption { KEYSTORE_MODERN, KEYSTORE_LEGACY };

struct config_section;  /* of config_document.h */
struct config_document; /* likewise */

/* [cert NAME]: one certificate to keep fresh. */
struct cert_config {
    const char *name;
    const char *file; /* where the section stands */
    unsigned line;
    const char *template_name; /* NULL: none */
    /* Both as they were written, for `leafd check`; the second is NULL without a template, both are
     * once the source is forgotten. */
    const struct config_section *own, *template_section;

    struct cert_request request;
    struct renewal_rule renewal;
    const char *pki_mount, *pki_role, *issuer;
    const char *trust_anchor; /* PEM file in which the chain must end; NULL: any */
    enum key_rotation key_rotation;
    enum key_source key_source;
    enum key_encoding key_encoding;
    bool request_names; /* names as request fields too, for roles that ignore the CSR's */

    const char *directory;
    mode_t directory_mode;
    struct output_list outputs;
    struct link_list links;
    const char *keystore_password_file; /* NULL: none, and then no keystores */
    enum keystore_encryption keystore_encryption;
    const char *keystore_alias;
    const char *sds_name, *sds_ca_name;
    uint64_t ca_overlap_s;     /* how long CA certificates stay that were current; 0: by lifetime */
    struct text_list validate; /* argv; empty: none */
    struct reload_list reloads;
    struct prove_order prove;
    uint64_t prove_timeout_s; /* from the reload to the proof */
    uint64_t prove_every_s;   /* between later looks; 0: none */
    bool rollback;            /* publish the generation before again if the proof fails */
    uint64_t command_timeout_s;
    uint64_t keep_previous_s;

    /* Digest of every setting: equal digests are equal sections, templates and defaults included.
     */
    char digest[DIGEST_HEX_BYTES];
};

struct config {
    struct arena arena;
    unsigned references;
    struct vault_config vault;
    struct auth_config auth;
    struct agent_config agent;
    struct cert_config *certs;
    size_t cert_count;
    const struct cert_config **by_name;    /* the same, in the order of their names */
    const char **directories;              /* theirs, in order */
    char session_digest[DIGEST_HEX_BYTES]; /* of [vault] and [auth] */
    /* All sections as they were written, for the places of messages, in an arena of their own. */
    struct arena source;
    const struct config_document *document; /* NULL: forgotten */
    struct text_list advice; /* on who may write these files and what they name: config_trust */
};

/* config_ref - takes one more reference */
struct config *config_ref(struct config *config);

/* config_unref - gives a reference back; the last one frees all of it. NULL is fine */
void config_unref(struct config *config);

/*
 * config_forget_source - frees the sections as they were written, a third of all memory
 *
 * For who has told all that is to be told of them: no certificate's `own` and `template_section`,
 * and no configuration_advise, can be used any more.
 */
void config_forget_source(struct config *config);

/* config_cert - the section of that name, or NULL */
const struct cert_config *config_cert(const struct config *config, const char *name);

/* config_uses_directory - whether a section has its set there */
bool config_uses_directory(const struct config *config, const char *directory);

/* The configuration's words for the contents, in the order of the enum, then NULL. */
extern const char *const content_words[CONTENT_COUNT + 1];

/* The configuration's words for what comes before TLS, in the order of the enum; [0] is "none". */
extern const char *const starttls_words[STARTTLS_COUNT + 1];

/* content_holds_key - whether a file of that kind holds the private key */
bool content_holds_key(enum content content);

/* content_needs_password - whether a file of that kind is a keystore, locked with a password */
bool content_needs_password(enum content content);

/* config_output - the section's first file with that content, or NULL */
const struct output *config_output(const struct cert_config *cert, enum content content);

/* The configuration's words for the methods, in the order of the enum, then NULL. */
extern const char *const auth_method_words[AUTH_METHOD_COUNT + 1];

#endif
