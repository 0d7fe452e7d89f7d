/* An answer of the CA: two bytes of status, then any body. */
#include "fuzz.h"

#include "vault/vault_login.h"
#include "vault/vault_reply.h"

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
    } else {
        fuzz_promise(err.kind != ERR_NONE && err.text[0] != '\0', "a failure says why");
    }
    vault_reply_free(&reply);
    return 0;
}
