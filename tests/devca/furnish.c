#include "furnish.h"

#include "base/clock.h"
#include "base/file.h"

#include "devca.h"
#include "jwt.h"
#include "mint.h"
#include "must.h"
#include "owned.h"
#include "pem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { CLIENT_LIFE_S = 365 * 86400, TOKEN_LIFE_S = 30 * 86400 };

static const char subject[] = "system:serviceaccount:demo:app";

static const char *client_certificate(struct arena *arena, const struct ca *ca, EVP_PKEY *key)
{
    const struct recipe recipe = {
        .common_name = "client.example.test",
        .key = key,
        .not_before_s = clock_now_s() - 60,
        .not_after_s = clock_now_s() + CLIENT_LIFE_S,
        .key_usage = KU_DIGITAL_SIGNATURE,
        .extended_usage = XKU_SSL_CLIENT,
        .issuer = ca->tls->certificate,
        .issuer_key = ca->tls->key,
    };
    CLEANUP(drop_certificate) X509 *certificate = mint_certificate(&recipe);

    return pem_certificate(arena, certificate);
}

/* What Kubernetes would project into a pod of that ServiceAccount. */
static const char *account_token(struct arena *arena, const struct devca *devca)
{
    json_int_t now_s = (json_int_t)clock_now_s();
    char uid[UUID_BYTES];
    json_t *claims;
    const char *token;

    draw_uuid(uid);
    claims = json_pack("{s:[s], s:I, s:I, s:I, s:s, s:s, s:{s:s, s:{s:s, s:s}}}", "aud",
                       devca->audience, "iat", now_s, "nbf", now_s, "exp", now_s + TOKEN_LIFE_S,
                       "iss", "https://kubernetes.default.svc", "sub", subject, "kubernetes.io",
                       "namespace", "demo", "serviceaccount", "name", "app", "uid", uid);
    MUST(claims != NULL);
    token = jwt_sign(arena, claims, devca->jwt_key);
    json_decref(claims);
    return token;
}

static bool put(const struct devca *devca, const char *name, mode_t mode, const char *text,
                struct err *err)
{
    struct arena arena = {0};
    CLEANUP(close_fd) int folder = open(devca->directory, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    const char *line = arena_format(&arena, "%s\n", text);
    bool done;

    MUST(line != NULL);
    done = folder >= 0 ? file_replace_at(folder, name, mode, line, strlen(line), err)
                       : err_errno(err, ERR_LOCAL, errno, "%s", devca->directory);
    arena_free(&arena);
    return done;
}

bool furnish_directory(const struct devca *devca, bool with_token, struct err *err)
{
    struct arena arena = {0};
    CLEANUP(drop_key) EVP_PKEY *key = mint_key("ec", 0);
    bool done = put(devca, "tls-ca.pem", 0644, devca->ca.tls->pem, err) &&
                put(devca, "root.pem", 0644, devca->ca.root->pem, err) &&
                put(devca, "intermediate.pem", 0644, devca->ca.current->pem, err) &&
                put(devca, "role-id", 0644, devca->role_id, err) &&
                put(devca, "secret-id", 0600, devca->secret_id, err) &&
                put(devca, "client.crt", 0644, client_certificate(&arena, &devca->ca, key), err) &&
                put(devca, "client.key", 0600, pem_key(&arena, key, false), err) &&
                (!with_token || put(devca, "token", 0600, account_token(&arena, devca), err));

    arena_free(&arena);
    return done;
}

bool furnish_address(const struct devca *devca, const char *address, struct err *err)
{
    return put(devca, "address", 0644, address, err);
}

void furnish_token(const struct devca *devca, const char *token)
{
    CLEANUP(close_fd) int folder = open(devca->directory, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    CLEANUP(close_fd)
    int fd = openat(folder, "tokens-issued", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    if (fd >= 0)
        dprintf(fd, "%s\n", token);
}
