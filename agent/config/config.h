/*
 * config - the complete configuration, immutable
 *
 * config_load makes it, and nothing changes it afterwards. All texts are allocated in its arena. A
 * reload makes a new configuration. References are counted: the old one is freed when no
 * certificate uses it any more.
 */
#ifndef LEAFD_CONFIG_CONFIG_H
#define LEAFD_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/cert_request.h"
#include "base/digest.h"
#include "base/event_choice.h"
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

/* A server, beside the one in `address`, that a redirect may lead to. */
struct redirect_host {
    const char *host; /* a DNS name or an address, without brackets */
    uint16_t port;    /* 0: any port */
};

/* redirects = no | same-host | HOST[:PORT], ...: to which servers the CA may redirect requests */
struct redirect_rule {
    bool none, same_host;        /* whether the word was given */
    struct redirect_host *hosts; /* without the host of `address` */
    size_t count;
};

/* [vault]: the address of the CA and how its TLS certificate is verified. NULL: not configured. */
struct vault_config {
    const char *address; /* https://HOST[:PORT], no path */
    const char *ca_file, *ca_path;
    const char *namespace;
    const char *tls_server_name;
    const char *client_certificate, *client_key;
    const char *proxy;
    uint64_t timeout_s, connect_timeout_s;
    struct redirect_rule redirects;
    uint64_t ignored; /* warnings of `leafd check`: mask of enum posture */
};

/* [auth]: how leafd logs in. NULL: not configured. */
struct auth_config {
    enum auth_method method;
    const char *mount; /* never NULL */
    const char *role;
    const char *token_file;
    const char *role_id, *role_id_file, *secret_id_file;
    bool revoke_on_exit;
    uint64_t ignored; /* as in vault_config */
};

enum ready_when { READY_ALL, READY_TRIED };

/* An address of `listen`. */
struct listen_address {
    const char *host;  /* an IP address without brackets; NULL: all addresses of this machine */
    const char *label; /* as written, expanded */
    uint16_t port;
};

struct listen_list {
    struct listen_address *items;
    size_t count;
};

/* on_event = KIND[, KIND...] exec PROGRAM [ARGUMENT...]: a command that is told of events */
struct hook {
    struct event_choice choice;
    struct text_list argv;
};

struct hook_list {
    struct hook *items;
    size_t count;
};

/* [agent]: the daemon itself. */
struct agent_config {
    struct listen_list listen; /* TCP, for reading only */
    enum log_format log_format;
    enum log_level log_level;
    unsigned max_in_flight;
    enum ready_when ready_when;
    bool watch_config;
    uint64_t files_every_s; /* between two checks of a set's files; 0: none */
    uint64_t ca_poll_s;     /* between two polls of the CA; 0: none; CA_NEWS_AUTO: derived from the
                               lifetime */
    uint64_t ca_spread_s;
    const char *template_directory;
    struct hook_list hooks;
    uint64_t on_event_timeout_s;
    const char *audit_file; /* NULL: none */
    int64_t audit_group;    /* gid of the group that may read it; 0: none may */
    bool audit_fsync;
    uint64_t ignored; /* as in vault_config */
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
    CONTENT_CRL,
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

/* An HTTP endpoint of a consumer. */
struct http_target {
    const char *url;    /* http:// on this machine, or https:// */
    const char *socket; /* path of a Unix socket to use instead of the host; or NULL */
    const char *label;  /* the URL without its query, for messages */
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
    const char *target; /* path of the pidfile or socket, process name, or unit name */
    int64_t user;       /* of process and socket: a trusted uid beside root and ours, or -1 */
    struct text_list argv;
    const char *method; /* of http: such as "POST" */
    struct http_target http;
    const char *line;    /* of socket: the line to send */
    const char *payload; /* of socket: name of the set's file to send after it; NULL: none */
};

struct reload_list {
    struct reload_action *items;
    size_t count;
};

enum prove_method { PROVE_NONE, PROVE_TLS, PROVE_EXEC, PROVE_HTTP };

/* The protocol that is spoken before TLS begins. */
enum starttls {
    STARTTLS_NONE,
    STARTTLS_POSTGRES,
    STARTTLS_MYSQL,
    STARTTLS_SMTP,
    STARTTLS_IMAP,
    STARTTLS_LDAP,
    STARTTLS_COUNT
};

/* A TLS endpoint of a consumer. */
struct tls_target {
    const char *host; /* a DNS name or an address, IPv6 without brackets; NULL: `socket` is used */
    const char *port; /* 1 to 65535 */
    const char *socket;      /* path of a Unix socket; NULL: host and port are used */
    const char *label;       /* as configured, for messages */
    const char *server_name; /* SNI; NULL: the first DNS name of the certificate */
    enum starttls starttls;
    bool mutual; /* also verify that clients without a certificate or without TLS are refused */
};

/* prove = none | tls ... | exec ... | http ...: how leafd checks which leaf the consumer serves */
struct prove_order {
    enum prove_method method;
    struct tls_target tls;
    struct text_list argv;
    struct http_target http;
    const char *json_path; /* of http: where the reply names the certificate: base/json.h */
};

enum key_rotation { KEY_ROTATE_ALWAYS, KEY_ROTATE_NEVER };
enum key_source { KEY_FROM_HERE, KEY_FROM_VAULT, KEY_FROM_FILE };

/* key_source = local | vault | file PATH */
struct key_origin {
    enum key_source source;
    const char *file; /* of KEY_FROM_FILE */
};

enum key_encoding { KEY_PKCS8, KEY_TRADITIONAL };
enum keystore_encryption { KEYSTORE_MODERN, KEYSTORE_LEGACY };

struct config_section;  /* see config_document.h */
struct config_document; /* likewise */

/* [cert NAME]: one certificate to keep fresh; or [trust NAME]: CA certificates to keep fresh, with
 * neither key nor names nor role. Durations are seconds. */
struct cert_config {
    const char *name;
    bool is_trust;    /* [trust NAME] */
    const char *file; /* where the section begins */
    unsigned line;
    const char *template_name; /* NULL: none */
    /* The sections as they were written, for `leafd check`; NULL without a template, and after
     * config_forget_source. */
    const struct config_section *own, *template_section;

    struct cert_request request;
    struct renewal_rule renewal;
    const char *pki_mount, *pki_role, *issuer;
    const char *trust_anchor; /* path of a PEM file with the certificates at which a path must end;
                                 NULL: any */
    enum key_rotation key_rotation;
    struct key_origin key_origin;
    enum key_encoding key_encoding;
    bool request_names; /* send the names as request fields too, for roles that ignore those of the
                           CSR */

    const char *directory;
    mode_t directory_mode;
    struct output_list outputs;
    struct link_list links;
    const char *keystore_password_file; /* NULL: none */
    enum keystore_encryption keystore_encryption;
    const char *keystore_alias;
    const char *sds_name, *sds_ca_name;
    struct text_list crl_mounts; /* of [trust]: further mounts whose revocation lists are read */
    const char *crl_file;        /* of [trust]: path of a PEM file with further lists; NULL: none */
    uint64_t ca_overlap_s; /* how long former CA certificates stay in the bundle; 0: derived from
                              the lifetime */
    struct text_list validate; /* argv; empty: none */
    struct reload_list reloads;
    struct prove_order prove;
    uint64_t prove_timeout_s; /* from the reload to the end of the proof */
    uint64_t prove_every_s;   /* between later checks of the consumer; 0: none */
    bool rollback; /* whether to publish the previous generation again if the proof fails */
    uint64_t command_timeout_s;
    uint64_t keep_previous_s;
    uint64_t ignored; /* as in vault_config */

    /* A digest of all settings, with those of template and defaults: equal sections have equal
     * digests. */
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
    const struct cert_config **by_name;    /* the same certificates, sorted by name */
    const char **directories;              /* the directories of all certificates, sorted */
    char session_digest[DIGEST_HEX_BYTES]; /* of [vault] and [auth] */
    char source_digest[DIGEST_HEX_BYTES];  /* of all sections as they were written */
    /* The sections as they were written, in an arena of its own, for the places in messages. */
    struct arena source;
    const struct config_document *document; /* NULL: freed by config_forget_source */
    struct text_list advice;                /* on who may write the files: config_trust */
};

/* config_ref - takes a reference and returns the configuration */
struct config *config_ref(struct config *config);

/* config_unref - ends a reference; the last one frees the configuration. NULL is fine */
void config_unref(struct config *config);

/*
 * config_forget_source - frees the sections as they were written, a third of all memory
 *
 * Call it when all messages about them were printed: afterwards `own` and `template_section` are
 * NULL, and configuration_advise must not be called.
 */
void config_forget_source(struct config *config);

/* config_kind - the word before the section's name: "cert" or "trust" */
const char *config_kind(const struct cert_config *cert);

/* config_needs_login - whether a section needs a session with the CA: any but [trust] */
bool config_needs_login(const struct config *config);

/* config_cert - finds a section by its name in logarithmic time; NULL if there is none */
const struct cert_config *config_cert(const struct config *config, const char *name);

/* config_uses_directory - whether a section has this directory */
bool config_uses_directory(const struct config *config, const char *directory);

/* The words for the contents in the configuration, in the order of the enum, then NULL. */
extern const char *const content_words[CONTENT_COUNT + 1];

/* The words for starttls in the configuration, in the order of the enum, then NULL. */
extern const char *const starttls_words[STARTTLS_COUNT + 1];

/* content_holds_key - whether a file with that content holds the private key */
bool content_holds_key(enum content content);

/* content_needs_leaf - whether a file with that content needs a certificate of one's own */
bool content_needs_leaf(enum content content);

/* content_needs_password - whether a file with that content is a keystore */
bool content_needs_password(enum content content);

/* config_output - the section's first file with that content, or NULL */
const struct output *config_output(const struct cert_config *cert, enum content content);

/* The words for the login methods in the configuration, in the order of the enum, then NULL. */
extern const char *const auth_method_words[AUTH_METHOD_COUNT + 1];

#endif
