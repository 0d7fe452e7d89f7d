#include "fault_reply.h"

#include "base64url.h"
#include "devca.h"
#include "draw.h"
#include "moment.h"
#include "must.h"
#include "owned.h"
#include "pem.h"
#include "reply.h"
#include "request.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <string.h>

enum { NOISE_BYTES = 480, NOISE_LINE_BYTES = 48 };

static json_t *data_of(const struct fault_scene *scene)
{
    return json_object_get(scene->reply->json, "data");
}

void fault_foreign_issuer(struct fault_scene *scene)
{
    const struct authority *foreign = odd_foreign(&scene->devca->odd);

    MUST(json_object_set_new(data_of(scene), "issuing_ca", json_string(foreign->pem)) == 0 &&
         json_object_set_new(data_of(scene), "ca_chain", authority_chain(foreign, true)) == 0);
}

void fault_cross_signed(struct fault_scene *scene)
{
    const struct ca *ca = &scene->devca->ca;

    MUST(json_object_set_new(data_of(scene), "ca_chain",
                             odd_crossed(&scene->devca->odd, ca->current, ca->root)) == 0);
}

void fault_no_chain(struct fault_scene *scene)
{
    json_object_del(data_of(scene), "issuing_ca");
    json_object_del(data_of(scene), "ca_chain");
}

void fault_two_certificates(struct fault_scene *scene)
{
    json_t *both =
        json_sprintf("%s\n%s", json_string_value(json_object_get(data_of(scene), "certificate")),
                     json_string_value(json_object_get(data_of(scene), "issuing_ca")));

    MUST(json_object_set_new(data_of(scene), "certificate", both) == 0);
}

void fault_no_certificate(struct fault_scene *scene)
{
    json_object_del(data_of(scene), "certificate");
}

void fault_garbage_certificate(struct fault_scene *scene)
{
    char text[2 * NOISE_BYTES];
    size_t used = (size_t)snprintf(text, sizeof text, "-----BEGIN CERTIFICATE-----\n");

    for (int i = 0; i < NOISE_BYTES / NOISE_LINE_BYTES; i++) {
        unsigned char noise[NOISE_LINE_BYTES];

        draw_bytes(noise, sizeof noise);
        used += (size_t)EVP_EncodeBlock((unsigned char *)text + used, noise, sizeof noise);
        text[used++] = '\n';
    }
    snprintf(text + used, sizeof text - used, "-----END CERTIFICATE-----");
    MUST(json_object_set_new(data_of(scene), "certificate", json_string(text)) == 0);
}

void fault_replay(struct fault_scene *scene)
{
    const json_t *last = json_object_get(scene->devca->answered, scene->route);

    if (last != NULL)
        MUST(json_object_set_new(scene->reply->json, "data", json_deep_copy(last)) == 0);
}

void fault_no_private_key(struct fault_scene *scene)
{
    json_object_del(data_of(scene), "private_key");
}

void fault_no_uses(struct fault_scene *scene)
{
    json_object_del(json_object_get(scene->reply->json, "auth"), "num_uses");
}

void fault_no_token(struct fault_scene *scene)
{
    json_t *auth = json_object_get(scene->reply->json, "auth");
    char id[UUID_BYTES];

    draw_uuid(id);
    MUST(json_object_set_new(auth, "client_token", json_string("")) == 0 &&
         json_object_set_new(auth, "accessor", json_string("")) == 0 &&
         json_object_set_new(auth, "mfa_requirement",
                             json_pack("{s:s, s:{}}", "mfa_request_id", id, "mfa_constraints")) ==
             0);
}

/* What came, in the form that is asked for; in the arena. */
static const char *credential_of(const struct fault_scene *scene, struct arena *arena)
{
    const char *form = json_string_value(json_object_get(scene->order, "form"));
    const struct bytes *content = &scene->request->content;
    json_auto_t *body = json_loadb(bytes_text(content), content->length, 0, NULL);
    const char *credential = json_string_value(json_object_get(body, "jwt"));
    size_t length;
    char *text;

    if (credential == NULL)
        credential = json_string_value(json_object_get(body, "secret_id"));
    if (credential == NULL)
        credential = scene->request->token == NULL ? "nothing" : scene->request->token;
    length = strlen(credential);
    credential = arena_copy(arena, credential);
    MUST(credential != NULL);
    if (form == NULL)
        return credential;
    if (strcmp(form, "base64url") == 0)
        return base64url_encode(arena, credential, length);
    if (strcmp(form, "part") == 0)
        return arena_copy_part(arena, credential + length / 2, length < 32 ? length / 2 : 16);
    text = arena_take(arena, length * 2);
    MUST(text != NULL);
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)credential, (int)length);
    return text;
}

void fault_echo(struct fault_scene *scene)
{
    struct arena arena = {0};
    unsigned status = (unsigned)json_integer_value(json_object_get(scene->order, "status"));

    reply_error(scene->reply, status, "no such thing as %s here", credential_of(scene, &arena));
    arena_free(&arena);
}

void fault_echo_beside(struct fault_scene *scene)
{
    struct arena arena = {0};
    const char *credential = credential_of(scene, &arena);

    MUST(json_object_set_new(scene->reply->json, "request_id", json_string(credential)) == 0 &&
         json_object_set_new(scene->reply->json, "warnings",
                             json_pack("[o]", json_sprintf("took %s", credential))) == 0);
    arena_free(&arena);
}

void fault_wrapped(struct fault_scene *scene)
{
    struct arena arena = {0};
    char token[96], accessor[25];
    json_t *wrap;

    draw_word(token, sizeof token - 1);
    draw_word(accessor, sizeof accessor - 1);
    memcpy(token, "hvs.", 4);
    wrap = json_pack("{s:s, s:s, s:i, s:s, s:s}", "token", token, "accessor", accessor, "ttl", 60,
                     "creation_time", moment_text(&arena, moment_now()), "creation_path",
                     scene->route);
    MUST(wrap != NULL && json_object_set_new(scene->reply->json, "wrap_info", wrap) == 0 &&
         json_object_set_new(scene->reply->json, "data", json_null()) == 0 &&
         json_object_set_new(scene->reply->json, "auth", json_null()) == 0);
    arena_free(&arena);
}

void fault_alternating_issuers(struct fault_scene *scene)
{
    ca_step_over(&scene->devca->ca);
}

void fault_foreign_list(struct fault_scene *scene)
{
    struct devca *devca = scene->devca;
    CLEANUP(drop_crl)
    X509_CRL *crl = ledger_forge_crl(&devca->ledger, devca->ca.current, odd_foreign(&devca->odd));
    struct arena arena = {0};
    json_t *data = json_object_get(scene->reply->json, "data");

    MUST(json_object_set_new(data, "crl", json_string(pem_crl(&arena, crl))) == 0);
    arena_free(&arena);
}
