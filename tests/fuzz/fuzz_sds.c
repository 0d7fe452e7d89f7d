/* What Envoy reads: a name and a directory of any bytes, ended by NUL, then a file's name. */
#include "fuzz.h"

#include "install/outputs.h"

#include <jansson.h>

#include <stdlib.h>
#include <string.h>

/* Whether YAML prints the character as it is: YAML 1.2 section 5.1; nor is it a line break there
 * (NEL, LS and PS are in YAML 1.1). */
static bool is_plain(uint32_t c)
{
    return (c >= ' ' && c < 0x7f) ||
           (c >= 0xa0 && c < 0xfffe && c != 0x2028 && c != 0x2029 && c != 0xfeff &&
            (c < 0xd800 || c > 0xdfff)) ||
           c > 0xffff;
}

/* The characters of UTF-8 that jansson has checked. */
static void promise_yaml(const char *line, size_t length)
{
    for (size_t i = 0; i < length;) {
        unsigned char first = (unsigned char)line[i++];
        uint32_t c = first < 0x80   ? first
                     : first < 0xe0 ? first & 0x1f
                     : first < 0xf0 ? first & 0x0f
                                    : first & 0x07;

        for (; i < length && ((unsigned char)line[i] & 0xc0) == 0x80; i++)
            c = c << 6 | ((unsigned char)line[i] & 0x3f);
        fuzz_promise(is_plain(c), "YAML takes every character as it stands there");
    }
}

/* The text behind `before` in the next line, up to `after` and the line's end: it is what was
 * meant. */
static void promise_line(const char **at, const char *before, const char *meant, const char *after)
{
    const char *end = strchr(*at, '\n');
    size_t ahead = strlen(before), behind = strlen(after), length;
    json_t *read;

    fuzz_promise(end != NULL, "a line ends");
    length = (size_t)(end - *at);
    promise_yaml(*at, length);
    fuzz_promise(length >= ahead + behind && memcmp(*at, before, ahead) == 0 &&
                     memcmp(end - behind, after, behind) == 0,
                 "a line is what its name says");
    if (meant != NULL) {
        read = json_loadb(*at + ahead, length - ahead - behind, JSON_DECODE_ANY, NULL);
        fuzz_promise(read != NULL && json_is_string(read) &&
                         strcmp(json_string_value(read), meant) == 0,
                     "a text reads as it was meant");
        json_decref(read);
    }
    *at = end + 1;
}

static void promise_head(const char **at, const char *name, const char *kind)
{
    promise_line(at, "resources:", NULL, "");
    promise_line(at, "- \"@type\": ", NULL,
                 "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret");
    promise_line(at, "  name: ", name, "");
    promise_line(at, kind, NULL, "");
}

static void try_texts(const struct cert_config *cert, const char *path)
{
    char *text = NULL;
    const char *at;
    struct err err;

    if (output_sds_certificate(cert, &text, &err)) {
        at = text;
        promise_head(&at, cert->sds_name, "  tls_certificate:");
        promise_line(&at, "    watched_directory: {path: ", cert->directory, "}");
        promise_line(&at, "    certificate_chain: {filename: ", path, "}");
        promise_line(&at, "    private_key: {filename: ", path, "}");
        fuzz_promise(*at == '\0', "nothing else is said");
        free(text);
    } else {
        fuzz_failure(&err);
    }
    if (output_sds_ca(cert, &text, &err)) {
        at = text;
        promise_head(&at, cert->sds_ca_name, "  validation_context:");
        promise_line(&at, "    watched_directory: {path: ", cert->directory, "}");
        promise_line(&at, "    trusted_ca: {filename: ", path, "}");
        fuzz_promise(*at == '\0', "nothing else is said");
        free(text);
    } else {
        fuzz_failure(&err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    char *name = arena_copy_part(&arena, (const char *)data, size);
    char *directory = name + strlen(name) + (strlen(name) < size);
    char *file = directory + strlen(directory) + (directory + strlen(directory) < name + size);
    struct output files[] = {{.name = file, .content = CONTENT_FULLCHAIN},
                             {.name = file, .content = CONTENT_KEY},
                             {.name = file, .content = CONTENT_CA}};
    const struct cert_config cert = {.name = "web",
                                     .directory = directory,
                                     .sds_name = name,
                                     .sds_ca_name = name,
                                     .outputs = {files, 3}};

    try_texts(&cert, arena_format(&arena, "%s/%s", directory, file));
    arena_free(&arena);
    return 0;
}
