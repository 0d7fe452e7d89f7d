#include "ca/vault_terms.h"

#include "pki/certificate.h"

#include <stddef.h>
#include <string.h>

bool vault_capability_has(const struct vault_reply *reply, const char *path, const char *capability)
{
    const json_t *granted = json_object_get(json_object_get(reply->json, "data"), path);

    for (size_t i = 0; i < json_array_size(granted); i++) {
        const char *word = json_string_value(json_array_get(granted, i));

        if (word != NULL && (strcmp(word, capability) == 0 || strcmp(word, "root") == 0))
            return true;
    }
    return false;
}

bool vault_describe_missing(const struct err *err)
{
    return err->http_status == 404 ||
           (err->http_status == 500 &&
            (strstr(err->text, "unable to find PKI issuer") != NULL ||
             strstr(err->text, "no default issuer currently configured") != NULL));
}

/* Reads a list, or the comma-separated text that older servers send instead. */
static bool take_list(const json_t *value, struct arena *arena, struct text_list *list)
{
    const char *text = json_string_value(value);
    bool empty;

    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *item = json_string_value(json_array_get(value, i));

        if (item != NULL && !text_list_add(list, arena, item, strlen(item)))
            return false;
    }
    return text == NULL || text[0] == '\0' || text_list_split(list, arena, text, ",", &empty);
}

static uint64_t take_number(const json_t *data, const char *name)
{
    json_int_t number = json_integer_value(json_object_get(data, name));

    return number < 0 ? 0 : (uint64_t)number;
}

/* Copies the text, or `otherwise` if it is missing; NULL if memory ran out. */
static const char *take_text(const json_t *data, const char *name, struct arena *arena,
                             const char *otherwise)
{
    const char *text = json_string_value(json_object_get(data, name));

    return arena_copy(arena, text == NULL ? otherwise : text);
}

bool vault_mount_read(const struct vault_reply *reply, struct arena *arena,
                      struct mount_terms *ret_terms, struct err *err)
{
    const json_t *data = json_object_get(reply->json, "data");
    const json_t *config = json_object_get(data, "config");

    *ret_terms = (struct mount_terms){
        .known = TERMS_KNOWN,
        .type = take_text(data, "type", arena, "unknown"),
        .default_ttl_s = take_number(config, "default_lease_ttl"),
        .max_ttl_s = take_number(config, "max_lease_ttl"),
    };
    return ret_terms->type != NULL || err_memory(err);
}

static const struct list_option {
    const char *name;
    size_t offset;
} list_options[] = {
    {"allowed_domains", offsetof(struct role_terms, allowed_domains)},
    {"allowed_uri_sans", offsetof(struct role_terms, allowed_uri_sans)},
    {"allowed_ip_sans_cidr", offsetof(struct role_terms, allowed_ip_sans_cidr)},
    {"allowed_other_sans", offsetof(struct role_terms, allowed_other_sans)},
    {"cn_validations", offsetof(struct role_terms, cn_validations)},
    {"key_usage", offsetof(struct role_terms, key_usage)},
    {"ext_key_usage", offsetof(struct role_terms, ext_key_usage)},
    {"ext_key_usage_oids", offsetof(struct role_terms, ext_key_usage_oids)},
};

static const struct truth_option {
    const char *name;
    size_t offset;
    bool otherwise; /* the value if a server does not know the option */
} truth_options[] = {
    {"allow_any_name", offsetof(struct role_terms, allow_any_name), false},
    {"allow_bare_domains", offsetof(struct role_terms, allow_bare_domains), false},
    {"allow_glob_domains", offsetof(struct role_terms, allow_glob_domains), false},
    {"allow_ip_sans", offsetof(struct role_terms, allow_ip_sans), true},
    {"allow_localhost", offsetof(struct role_terms, allow_localhost), true},
    {"allow_subdomains", offsetof(struct role_terms, allow_subdomains), false},
    {"allow_token_displayname", offsetof(struct role_terms, allow_token_displayname), false},
    {"allow_wildcard_certificates", offsetof(struct role_terms, allow_wildcard_certificates), true},
    {"allowed_domains_template", offsetof(struct role_terms, allowed_domains_template), false},
    {"allowed_uri_sans_template", offsetof(struct role_terms, allowed_uri_sans_template), false},
    {"client_flag", offsetof(struct role_terms, client_flag), true},
    {"code_signing_flag", offsetof(struct role_terms, code_signing_flag), false},
    {"email_protection_flag", offsetof(struct role_terms, email_protection_flag), false},
    {"enforce_hostnames", offsetof(struct role_terms, enforce_hostnames), true},
    {"generate_lease", offsetof(struct role_terms, generate_lease), false},
    {"no_store", offsetof(struct role_terms, no_store), false},
    {"require_cn", offsetof(struct role_terms, require_cn), true},
    {"server_flag", offsetof(struct role_terms, server_flag), true},
    {"use_csr_common_name", offsetof(struct role_terms, use_csr_common_name), true},
    {"use_csr_sans", offsetof(struct role_terms, use_csr_sans), true},
};

bool vault_role_read(const struct vault_reply *reply, struct arena *arena,
                     struct role_terms *ret_terms, struct err *err)
{
    const json_t *data = json_object_get(reply->json, "data");

    *ret_terms = (struct role_terms){
        .known = TERMS_KNOWN,
        .key_type = take_text(data, "key_type", arena, "rsa"),
        .key_bits = take_number(data, "key_bits"),
        .not_after = take_text(data, "not_after", arena, ""),
        .issuer_ref = take_text(data, "issuer_ref", arena, "default"),
        .knows_networks = json_object_get(data, "allowed_ip_sans_cidr") != NULL,
    };
    /* An invalid duration counts as missing. */
    vault_reply_seconds(reply, "data", "ttl", &ret_terms->ttl_s, err);
    vault_reply_seconds(reply, "data", "max_ttl", &ret_terms->max_ttl_s, err);
    if (ret_terms->key_type == NULL || ret_terms->not_after == NULL ||
        ret_terms->issuer_ref == NULL)
        return err_memory(err);
    for (size_t i = 0; i < sizeof truth_options / sizeof *truth_options; i++) {
        const struct truth_option *option = &truth_options[i];
        const json_t *value = json_object_get(data, option->name);

        *(bool *)((char *)ret_terms + option->offset) =
            json_is_boolean(value) ? json_is_true(value) : option->otherwise;
    }
    for (size_t i = 0; i < sizeof list_options / sizeof *list_options; i++)
        if (!take_list(json_object_get(data, list_options[i].name), arena,
                       (struct text_list *)((char *)ret_terms + list_options[i].offset)))
            return err_memory(err);
    return true;
}

/* -- the identity behind the token ----------------------------------------------------------------
 */

/* Adds a value that templates may name, below `prefix`. */
static bool take_value(struct identity_terms *terms, struct arena *arena, const char *prefix,
                       const char *name, const json_t *value)
{
    const char *text = json_string_value(value);
    const char *whole = arena_format(arena, "identity.entity.%s%s", prefix, name);

    return text == NULL ||
           (whole != NULL && text_list_add(&terms->names, arena, whole, strlen(whole)) &&
            text_list_add(&terms->values, arena, text, strlen(text)));
}

/* Adds the values that an entity and each of its aliases have. */
static bool take_person(struct identity_terms *terms, struct arena *arena, const char *prefix,
                        const json_t *person)
{
    static const char *const kinds[] = {"metadata", "custom_metadata"};
    const json_t *value;
    const char *key;

    if (!take_value(terms, arena, prefix, "id", json_object_get(person, "id")) ||
        !take_value(terms, arena, prefix, "name", json_object_get(person, "name")))
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *below = arena_format(arena, "%s%s.", prefix, kinds[i]);

        json_object_foreach ((json_t *)json_object_get(person, kinds[i]), key, value) {
            if (below == NULL || !take_value(terms, arena, below, key, value))
                return false;
        }
    }
    return true;
}

/* Whether an alias comes from the mount: "auth/kubernetes/" is that of "kubernetes". */
static bool is_of_mount(const json_t *alias, const char *mount)
{
    const char *path = json_string_value(json_object_get(alias, "mount_path"));
    const char *rest = path == NULL ? NULL : text_starts(path, "auth/");

    rest = rest == NULL || mount == NULL ? NULL : text_starts(rest, mount);
    return rest != NULL && strcmp(rest, "/") == 0;
}

bool vault_identity_read(const struct vault_reply *reply, const char *mount, struct arena *arena,
                         struct identity_terms *ret_terms, struct err *err)
{
    const json_t *data = json_object_get(reply->json, "data");
    const json_t *aliases = json_object_get(data, "aliases");
    bool taken;

    *ret_terms = (struct identity_terms){.known = TERMS_KNOWN};
    taken = take_person(ret_terms, arena, "", data);
    for (size_t i = 0; taken && i < json_array_size(aliases); i++) {
        const json_t *alias = json_array_get(aliases, i);
        const char *accessor = take_text(alias, "mount_accessor", arena, "");
        const char *prefix = accessor == NULL ? NULL : arena_format(arena, "aliases.%s.", accessor);

        if (is_of_mount(alias, mount))
            ret_terms->accessor = accessor;
        taken = prefix != NULL && take_person(ret_terms, arena, prefix, alias);
    }
    return taken || err_memory(err);
}

static enum leaf_not_after take_behaviour(const json_t *data)
{
    static const char *const words[] = {
        [LEAF_ERR] = "err", [LEAF_TRUNCATE] = "truncate", [LEAF_PERMIT] = "permit"};
    const char *word = json_string_value(json_object_get(data, "leaf_not_after_behavior"));

    for (size_t i = 0; word != NULL && i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], word) == 0)
            return (enum leaf_not_after)i;
    return LEAF_NOT_KNOWN;
}

bool vault_issuer_read(const struct vault_reply *reply, struct arena *arena,
                       struct issuer_terms *ret_terms, struct err *err)
{
    const json_t *data = json_object_get(reply->json, "data");
    const char *pem = json_string_value(json_object_get(data, "certificate"));
    const char *usage = json_string_value(json_object_get(data, "usage"));
    const char *key = json_string_value(json_object_get(data, "key_id"));
    struct certificate_limits limits;
    struct certificate_facts facts;

    if (pem == NULL)
        return err_set(err, ERR_UNTRUSTED, "the reply holds no certificate of the issuer");
    if (!certificate_read(pem, arena, &facts, err) || !certificate_limits_read(pem, &limits, err))
        return false;
    *ret_terms = (struct issuer_terms){
        .known = TERMS_KNOWN,
        .not_after_s = facts.validity.not_after,
        .leaf_not_after = take_behaviour(data),
        .cannot_sign = (usage != NULL && strstr(usage, "issuing-certificates") == NULL) ||
                       (key != NULL && key[0] == '\0'),
        .is_root = limits.is_self_issued,
        .limits_names = limits.has_name_constraints,
        .limits_path = limits.has_path_length,
        .key_strength_bits = limits.key_strength_bits,
    };
    return true;
}
