/* What each status of the CA means, and that nothing is believed about a body. */
#include "unit.h"

#include "ca/vault_call.h"
#include "ca/vault_login.h"
#include "ca/vault_terms.h"
#include "config/token_claims.h"

static bool parse(int status, const char *body, struct vault_reply *reply, struct err *err)
{
    *reply = (struct vault_reply){0};
    *err = (struct err){0};
    return vault_reply_parse(status, body, strlen(body), reply, err);
}

static void every_status_has_its_class(void **state)
{
    /* As leafd(8) has them; a status between two of the same hundred is like the hundred. */
    static const struct {
        int from, to;
        enum err_kind kind;
    } classes[] = {
        {0, 199, ERR_UNTRUSTED},   {300, 399, ERR_TRANSIENT}, {400, 402, ERR_REFUSED},
        {403, 403, ERR_DENIED},    {404, 407, ERR_REFUSED},   {408, 408, ERR_TRANSIENT},
        {409, 411, ERR_REFUSED},   {412, 412, ERR_TRANSIENT}, {413, 428, ERR_REFUSED},
        {429, 429, ERR_TRANSIENT}, {430, 471, ERR_REFUSED},   {472, 474, ERR_TRANSIENT},
        {475, 499, ERR_REFUSED},   {500, 599, ERR_TRANSIENT}, {600, 999, ERR_UNTRUSTED},
    };
    struct vault_reply reply;
    struct err err;
    int next = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        if (next == 200) /* those that are fine */
            next = 300;
        assert_int_equal(classes[i].from, next);
        for (; next <= classes[i].to; next++) {
            assert_false(parse(next, "{\"errors\":[]}", &reply, &err));
            assert_int_equal(err.kind, classes[i].kind);
            assert_int_equal(err.http_status, next);
            assert_null(reply.json);
        }
    }
    for (int status = 200; status < 300; status++) {
        assert_true(parse(status, "{}", &reply, &err));
        assert_int_equal(reply.status, status);
        vault_reply_free(&reply);
    }
}

static void the_cas_own_words_are_told_in_one_line(void **state)
{
    struct vault_reply reply;
    struct err err;

    (void)state;
    assert_false(parse(403, "{\"errors\":[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]}",
                       &reply, &err));
    assert_string_equal(err.text, "the CA answered 403: 1 error occurred: * permission denied");
    assert_false(parse(502, "<html>Bad gateway</html>", &reply, &err));
    assert_string_equal(err.text, "the CA answered 502: out of order");
    assert_false(parse(503, "", &reply, &err));
    assert_string_equal(err.text, "the CA answered 503: sealed or not available");
    assert_false(parse(400, "{\"errors\":[\"unknown role: x\",7,\"second\"]}", &reply, &err));
    assert_string_equal(err.text, "the CA answered 400: unknown role: x; second");
}

static void what_is_no_json_object_is_not_trusted(void **state)
{
    static const char *const bodies[] = {
        "<html>login</html>",
        "[]",
        "\"text\"",
        "{",
        "{\"a\":1,\"a\":2}",
        "{\"a\":\"\\u0000\"}",
        "{} trailing",
        "\xff\xfe{}",
        "null",
        "{\"wrap_info\":{\"token\":\"x\"}}",
    };
    struct vault_reply reply;
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        assert_false(parse(200, bodies[i], &reply, &err));
        assert_int_equal(err.kind, ERR_UNTRUSTED);
        assert_null(reply.json);
    }
}

static void deep_nesting_is_refused_before_it_is_parsed(void **state)
{
    char deep[4096];
    struct vault_reply reply;
    struct err err;

    (void)state;
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    assert_false(parse(200, deep, &reply, &err));
    assert_int_equal(err.kind, ERR_UNTRUSTED);
    /* Brackets inside a text are no nesting. */
    assert_true(parse(200, "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\"}", &reply, &err));
    vault_reply_free(&reply);
}

static void fields_of_other_types_read_as_absent(void **state)
{
    struct vault_reply reply;
    struct err err;

    (void)state;
    assert_true(parse(200,
                      "{\"auth\":{\"client_token\":7,\"renewable\":1},"
                      "\"warnings\":null}",
                      &reply, &err));
    assert_null(vault_reply_text(&reply, "auth", "client_token"));
    assert_null(vault_reply_text(&reply, "data", "certificate"));
    assert_false(vault_reply_true(&reply, "auth", "renewable"));
    assert_null(vault_reply_warnings(&reply));
    vault_reply_free(&reply);
    assert_true(parse(204, "", &reply, &err));
    assert_null(vault_reply_text(&reply, "auth", "client_token"));
}

static void a_lease_is_read_or_refused_and_never_taken_for_ever(void **state)
{
    static const struct {
        const char *lease; /* as JSON */
        bool read;
        uint64_t seconds;
    } cases[] = {
        {"0", true, 0},
        {"600", true, 600},
        {"600.9", true, 600},
        {"0.5", true, 1},
        {"6e2", true, 600},
        {"\"600\"", true, 600},
        {"\"600s\"", true, 600},
        {"\"1h30m\"", true, 5400},
        {"9223372036854775807", true, 315360000},
        {"1e300", true, 315360000},
        {"\"99999999999999999999999\"", true, 315360000},
        {"-5", false, 0},
        {"-0.5", false, 0},
        {"\"-5\"", false, 0},
        {"\"\"", false, 0},
        {"\"soon\"", false, 0},
        {"null", false, 0},
        {"true", false, 0},
        {"[600]", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct vault_grant grant = {0};
        struct vault_reply reply;
        struct err err;
        char text[256];

        snprintf(text, sizeof text, "{\"auth\":{\"client_token\":\"x\",\"lease_duration\":%s}}",
                 cases[i].lease);
        assert_true(parse(200, text, &reply, &err));
        if (vault_grant_read(&reply, &grant, &err) != cases[i].read)
            fail_msg("%s is %s", cases[i].lease, cases[i].read ? "refused" : "read");
        if (cases[i].read)
            assert_int_equal(grant.lease_s, cases[i].seconds);
        else
            assert_int_equal(err.kind, ERR_UNTRUSTED);
        vault_grant_free(&grant);
        vault_reply_free(&reply);
    }
}

static void a_token_is_only_so_long(void **state)
{
    enum { MOST = 16 * 1024, TEXT_BYTES = MOST + 64 };
    char *text = malloc(TEXT_BYTES), *token = malloc(MOST + 2);

    (void)state;
    memset(token, 'x', MOST + 1);
    for (int beyond = 0; beyond < 2; beyond++) {
        struct vault_grant grant = {0};
        struct vault_reply reply;
        struct err err;

        token[MOST + beyond] = '\0';
        snprintf(text, TEXT_BYTES, "{\"auth\":{\"client_token\":\"%s\",\"lease_duration\":1}}",
                 token);
        assert_true(parse(200, text, &reply, &err));
        assert_int_equal(vault_grant_read(&reply, &grant, &err), !beyond);
        if (beyond)
            assert_int_equal(err.kind, ERR_UNTRUSTED);
        vault_grant_free(&grant);
        vault_reply_free(&reply);
        token[MOST + beyond] = 'x';
    }
    free(token);
    free(text);
}

static void a_login_without_a_usable_token_is_a_failure(void **state)
{
    struct vault_grant grant = {0};
    struct vault_reply reply;
    struct err err;

    (void)state;
    assert_true(
        parse(200, "{\"auth\":{\"client_token\":\"\",\"mfa_requirement\":{}}}", &reply, &err));
    assert_false(vault_grant_read(&reply, &grant, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    vault_reply_free(&reply);
    assert_true(parse(200, "{\"auth\":null}", &reply, &err));
    assert_false(vault_grant_read(&reply, &grant, &err));
    assert_int_equal(err.kind, ERR_UNTRUSTED);
    vault_reply_free(&reply);
    assert_true(
        parse(200, "{\"auth\":{\"client_token\":\"x\\r\\nX-Vault-Namespace: y\"}}", &reply, &err));
    assert_false(vault_grant_read(&reply, &grant, &err));
    assert_int_equal(err.kind, ERR_UNTRUSTED);
    vault_reply_free(&reply);
    assert_true(parse(200,
                      "{\"auth\":{\"client_token\":\"hvs.x\",\"lease_duration\":600,"
                      "\"renewable\":true}}",
                      &reply, &err));
    assert_true(vault_grant_read(&reply, &grant, &err));
    assert_string_equal(secret_expose(&grant.token), "hvs.x");
    assert_int_equal(grant.lease_s, 600);
    assert_true(grant.renewable);
    vault_grant_free(&grant);
    vault_reply_free(&reply);
}

static void what_a_role_lacks_has_the_engines_default(void **state)
{
    struct arena arena = {0};
    struct role_terms role;
    struct vault_reply reply;
    struct err err;

    (void)state;
    assert_true(parse(200, "{\"data\":{}}", &reply, &err));
    assert_true(vault_role_read(&reply, &arena, &role, &err));
    assert_int_equal(role.known, TERMS_KNOWN);
    assert_true(role.enforce_hostnames && role.require_cn && role.use_csr_sans &&
                role.use_csr_common_name && role.server_flag && role.client_flag &&
                role.allow_ip_sans && role.allow_localhost && role.allow_wildcard_certificates);
    assert_false(role.allow_any_name || role.allow_subdomains || role.allow_bare_domains ||
                 role.generate_lease || role.no_store);
    assert_string_equal(role.key_type, "rsa");
    assert_string_equal(role.issuer_ref, "default");
    vault_reply_free(&reply);
    /* null is what old servers say of an option that came later; nothing of a wrong type counts. */
    assert_true(parse(200,
                      "{\"data\":{\"allow_wildcard_certificates\":null,\"allow_any_name\":\"true\","
                      "\"allowed_domains\":\"a.test,b.test\",\"allowed_uri_sans\":[1,\"urn:x\"],"
                      "\"require_cn\":false,\"max_ttl\":-1,\"ttl\":60,\"key_bits\":\"x\","
                      "\"key_type\":7,\"key_usage\":{}}}",
                      &reply, &err));
    assert_true(vault_role_read(&reply, &arena, &role, &err));
    assert_true(role.allow_wildcard_certificates);
    assert_false(role.allow_any_name || role.require_cn);
    assert_int_equal(role.allowed_domains.count, 2);
    assert_int_equal(role.allowed_uri_sans.count, 1);
    assert_int_equal(role.key_usage.count, 0);
    assert_int_equal(role.max_ttl_s, 0);
    assert_int_equal(role.ttl_s, 60);
    assert_string_equal(role.key_type, "rsa");
    vault_reply_free(&reply);
    arena_free(&arena);
}

static void an_identity_is_known_by_what_templates_call_it(void **state)
{
    static const char *const names[] = {"identity.entity.id",
                                        "identity.entity.name",
                                        "identity.entity.metadata.team",
                                        "identity.entity.aliases.a2.id",
                                        "identity.entity.aliases.a2.metadata.service_account_name",
                                        "identity.entity.aliases.a2.custom_metadata.host"};
    struct arena arena = {0};
    struct identity_terms identity;
    struct vault_reply reply;
    struct err err;

    (void)state;
    assert_true(
        parse(200,
              "{\"data\":{\"id\":\"1\",\"name\":\"e\",\"metadata\":{\"team\":\"x\",\"n\":7},"
              "\"aliases\":[{\"mount_accessor\":\"a1\",\"mount_path\":\"auth/k8s-two/\"},7,"
              "{\"id\":\"2\",\"mount_accessor\":\"a2\",\"mount_path\":\"auth/k8s/\","
              "\"metadata\":{\"service_account_name\":\"web\"},"
              "\"custom_metadata\":{\"host\":\"h\"}}]}}",
              &reply, &err));
    assert_true(vault_identity_read(&reply, "k8s", &arena, &identity, &err));
    assert_int_equal(identity.known, TERMS_KNOWN);
    assert_string_equal(identity.accessor, "a2");
    assert_int_equal(identity.names.count, COUNT_OF(names));
    assert_int_equal(identity.values.count, COUNT_OF(names));
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_string_equal(identity.names.items[i], names[i]);
    assert_true(vault_identity_read(&reply, "k8s-two/", &arena, &identity, &err));
    assert_null(identity.accessor);
    vault_reply_free(&reply);
    assert_true(parse(200, "{\"data\":[]}", &reply, &err));
    assert_true(vault_identity_read(&reply, NULL, &arena, &identity, &err));
    assert_int_equal(identity.names.count, 0);
    vault_reply_free(&reply);
    arena_free(&arena);
}

static void an_issuer_is_known_by_its_certificate(void **state)
{
    struct arena arena = {0};
    struct issuer_terms issuer;
    struct vault_reply reply;
    struct err err;

    (void)state;
    assert_true(parse(200, "{\"data\":{\"usage\":\"read-only\"}}", &reply, &err));
    assert_false(vault_issuer_read(&reply, &arena, &issuer, &err));
    assert_int_equal(err.kind, ERR_UNTRUSTED);
    vault_reply_free(&reply);
    assert_true(parse(200, "{\"data\":{\"certificate\":\"none\"}}", &reply, &err));
    assert_false(vault_issuer_read(&reply, &arena, &issuer, &err));
    assert_int_equal(err.kind, ERR_UNTRUSTED);
    vault_reply_free(&reply);
    assert_false(
        parse(500, "{\"errors\":[\"unable to find PKI issuer for reference: x\"]}", &reply, &err));
    assert_true(vault_describe_missing(&err));
    assert_false(parse(500, "{\"errors\":[\"internal error\"]}", &reply, &err));
    assert_false(vault_describe_missing(&err));
    assert_false(parse(404, "{\"errors\":[]}", &reply, &err));
    assert_true(vault_describe_missing(&err));
    assert_false(parse(403, "{\"errors\":[\"permission denied\"]}", &reply, &err));
    assert_false(vault_describe_missing(&err));
    arena_free(&arena);
}

static void the_end_of_a_token_is_told_whatever_it_claims(void **state)
{
    /* {"sub":"a","exp":N} in base64url, for N of 1e300, -1e300, 1100 and 900 at second 1000. */
    static const struct {
        const char *token, *says;
    } table[] = {
        {"x.eyJzdWIiOiJhIiwiZXhwIjoxZTMwMH0.y", "and does not end"},
        {"x.eyJzdWIiOiJhIiwiZXhwIjotMWUzMDB9.y", "and does not end"},
        {"x.eyJzdWIiOiJhIiwiZXhwIjoxMTAwfQ.y", "and ends in 1m40s"},
        {"x.eyJzdWIiOiJhIiwiZXhwIjo5MDB9.y", "and ended 1m40s ago"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char said[CLAIMS_TEXT_BYTES];

        assert_true(token_claims_tell(table[i].token, 1000, said));
        assert_non_null(strstr(said, table[i].says));
    }
    assert_false(token_claims_tell("hvs.opaque", 1000, (char[CLAIMS_TEXT_BYTES]){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_class),
        cmocka_unit_test(the_cas_own_words_are_told_in_one_line),
        cmocka_unit_test(what_is_no_json_object_is_not_trusted),
        cmocka_unit_test(deep_nesting_is_refused_before_it_is_parsed),
        cmocka_unit_test(fields_of_other_types_read_as_absent),
        cmocka_unit_test(a_lease_is_read_or_refused_and_never_taken_for_ever),
        cmocka_unit_test(a_token_is_only_so_long),
        cmocka_unit_test(a_login_without_a_usable_token_is_a_failure),
        cmocka_unit_test(what_a_role_lacks_has_the_engines_default),
        cmocka_unit_test(an_identity_is_known_by_what_templates_call_it),
        cmocka_unit_test(an_issuer_is_known_by_its_certificate),
        cmocka_unit_test(the_end_of_a_token_is_told_whatever_it_claims),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
