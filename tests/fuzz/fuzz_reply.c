/* An answer of the CA: two bytes of status, then any body. */
#include "fuzz.h"

#include "ca/vault_call.h"
#include "ca/vault_login.h"
#include "ca/vault_terms.h"
#include "plan/fit_identity.h"

#include <string.h>

static void read_fields(const struct vault_reply *reply)
{
    struct vault_grant grant = {0};
    struct err err = {0};
    uint64_t seconds = 0;
    const char *text = vault_reply_text(reply, "data", "certificate");

    fuzz_promise(text == NULL || strlen(text) < SIZE_MAX, "a text ends");
    if (!vault_reply_seconds(reply, "data", "ttl", &seconds, &err))
        fuzz_promise(err.kind == ERR_UNTRUSTED, "what is no duration is not believed");
    err = (struct err){0};
    vault_reply_true(reply, "auth", "renewable");
    vault_reply_warnings(reply);
    if (!vault_grant_read(reply, &grant, &err))
        fuzz_promise(err.kind != ERR_NONE && err.text[0] != '\0', "a failure says why");
    vault_grant_free(&grant);
}

/* The body as a role, held against a section with a name of every kind. */
static void fit_role(const struct vault_reply *reply)
{
    static const char *dns[] = {"a.b.test", "*.b.test"}, *ip[] = {"192.0.2.1", "2001:db8::1"},
                      *uri[] = {"spiffe://a/b"}, *mail[] = {"me@b.test"};
    const struct cert_request wanted = {
        .names = {"a.b.test", {dns, 2}, {ip, 2}, {uri, 1}, {mail, 1}, {NULL, 0}},
        .usage = USAGE_SERVER};
    struct identity_terms identity;
    const struct fit_request request = {.wanted = &wanted,
                                        .pki_mount = "pki",
                                        .pki_role = "web",
                                        .issuer = "default",
                                        .identity = &identity};
    const struct fit_use use = {.pki_mount = "pki", .pki_role = "web", .names = wanted.names};
    struct arena arena = {0};
    struct mount_terms mount;
    struct role_terms role;
    struct issuer_terms issuer;
    struct fit_findings findings = {0};
    struct err err = {0};

    if (!vault_issuer_read(reply, &arena, &issuer, &err))
        issuer = (struct issuer_terms){.known = TERMS_NOT_ASKED, .not_asked_why = err.text};
    if (vault_mount_read(reply, &arena, &mount, &err) &&
        vault_role_read(reply, &arena, &role, &err) &&
        vault_identity_read(reply, "kubernetes", &arena, &identity, &err)) {
        mount.type = "pki";
        fit_find(&request, &mount, &role, &issuer, &arena, &findings);
        fit_identity_find(&use, &role, &identity, &arena, &findings);
    }
    for (size_t i = 0; i < findings.count; i++)
        fuzz_promise(findings.items[i].text[0] != '\0', "a finding says what it is");
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vault_reply reply = {0};
    struct err err = {0};
    int status;

    if (size < 2)
        return 0;
    status = (data[0] << 8 | data[1]) % 1000;
    if (vault_reply_parse(status, (const char *)data + 2, size - 2, &reply, &err)) {
        fuzz_promise(status >= 200 && status < 300, "only 2xx is a success");
        read_fields(&reply);
        fit_role(&reply);
    } else {
        fuzz_promise(err.kind != ERR_NONE && err.text[0] != '\0', "a failure says why");
    }
    vault_reply_free(&reply);
    return 0;
}
