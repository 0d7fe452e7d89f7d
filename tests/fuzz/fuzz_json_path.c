/* What an admin interface replies: a path, a serial number, both ended by NUL, then the reply. */
#include "fuzz.h"

#include "base/json.h"
#include "base/text.h"
#include "prove/prove.h"

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 256 };

struct visits {
    const json_t *wanted;
    size_t count, hits;
};

static bool on_value(const json_t *value, void *arg)
{
    struct visits *visits = arg;

    visits->count++;
    visits->hits += value == visits->wanted;
    return false;
}

static size_t count_values(const json_t *json)
{
    size_t count = 1, index;
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)json, key, value)
        count += count_values(value);
    json_array_foreach (json, index, value)
        count += count_values(value);
    return count;
}

/* Follows the path to every value whose path can be written: it leads there, and nowhere else. */
static void follow(const json_t *root, const json_t *at, char path[static PATH_BYTES], size_t used)
{
    struct visits visits = {.wanted = at};
    const char *key;
    json_t *value;
    size_t index;
    int length;

    if (used > 0) {
        fuzz_promise(json_path_valid(path), "the path of a value is a path");
        json_path_any(root, path, on_value, &visits);
        fuzz_promise(visits.count == 1 && visits.hits == 1, "a path leads to its value alone");
    }
    json_object_foreach ((json_t *)at, key, value) {
        if (key[0] == '\0' || key[strcspn(key, ".[]")] != '\0')
            continue;
        length = snprintf(path + used, PATH_BYTES - used, "%s%s", used == 0 ? "" : ".", key);
        if ((size_t)length < PATH_BYTES - used)
            follow(root, value, path, used + (size_t)length);
    }
    json_array_foreach (at, index, value) {
        length = snprintf(path + used, PATH_BYTES - used, "[%zu]", index);
        if (index < 16 && (size_t)length < PATH_BYTES - used)
            follow(root, value, path, used + (size_t)length);
    }
    path[used] = '\0';
}

static void try_document(const char *path, const char *reply, size_t size)
{
    json_t *document = json_loadb(reply, size, 0, NULL);
    struct visits visits = {.wanted = document};
    char own[PATH_BYTES] = "";

    if (document == NULL)
        return;
    if (json_path_valid(path)) {
        json_path_any(document, path, on_value, &visits);
        fuzz_promise(visits.count <= count_values(document), "no value is looked at twice");
    }
    follow(document, document, own, 0);
    json_decref(document);
}

static void try_reply(const char *path, const char *serial, const struct bytes *reply)
{
    struct err err = {.kind = ERR_NONE};

    fuzz_promise(hex_same(serial, path) == hex_same(path, serial), "sameness has no direction");
    if (!json_path_valid(path))
        return;
    if (!reply_names(reply, path, serial, "00:ab", &err)) {
        fuzz_promise(err.kind == ERR_CONSUMER && err.text[0] != '\0', "a failure says why");
        return;
    }
    fuzz_promise(!reply_names(&(struct bytes){.data = (char *)"[]", .length = 2}, path, serial,
                              "00:ab", &err),
                 "an empty reply names nothing");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {.limit = 64 * 1024};
    const char *path, *serial, *end;
    struct bytes reply;

    if (!bytes_add(&bytes, data, size) || size == 0) {
        bytes_free(&bytes);
        return 0;
    }
    path = bytes_text(&bytes);
    end = path + size;
    serial = path + strlen(path) + 1;
    if (serial < end && serial + strlen(serial) < end) {
        const char *text = serial + strlen(serial) + 1;

        reply = (struct bytes){.data = (char *)text, .length = (size_t)(end - text)};
        try_reply(path, serial, &reply);
        try_document(path, text, reply.length);
    }
    bytes_free(&bytes);
    return 0;
}
