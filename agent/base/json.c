#include "base/json.h"

#include <stdlib.h>
#include <string.h>

/* Sufficient for most texts, so that the length need not be computed first. */
enum { USUAL_BYTES = 4096 };

/* Writes the text into a buffer of `bytes`. NULL if it does not fit; then *ret_length is the
 * length, or 0 if memory ran out. */
static char *text_within(const json_t *json, size_t flags, size_t bytes, size_t *ret_length)
{
    char *text = malloc(bytes + 1);

    *ret_length = text == NULL ? 0 : json_dumpb(json, text, bytes, flags);
    if (*ret_length == 0 || *ret_length > bytes) {
        if (text != NULL)
            explicit_bzero(text, bytes + 1);
        free(text);
        return NULL;
    }
    text[*ret_length] = '\0';
    return text;
}

char *json_text(const json_t *json, size_t flags)
{
    size_t length = 0;
    char *text = json == NULL ? NULL : text_within(json, flags, USUAL_BYTES, &length);

    if (text == NULL && length > USUAL_BYTES)
        text = text_within(json, flags, length, &length);
    return text;
}

json_t *json_words(const char *words)
{
    json_t *json = json_string(words);
    char *plain = json == NULL ? strdup(words) : NULL;

    if (plain == NULL)
        return json;
    for (char *at = plain; *at != '\0'; at++)
        if ((unsigned char)*at > 0x7f)
            *at = '?';
    json = json_string(plain);
    free(plain);
    return json;
}

enum { INDEX_MOST = 999999, PATH_MOST_BYTES = 255 };

/* Parses [N] or [*]; returns the rest of the path, or NULL. */
static const char *read_index(const char *path, bool *ret_each, size_t *ret_index)
{
    size_t index = 0, digits = strspn(path + 1, "0123456789");

    *ret_each = strncmp(path, "[*]", 3) == 0;
    if (*ret_each)
        return path + 3;
    if (digits == 0 || path[1 + digits] != ']')
        return NULL;
    for (size_t i = 1; i <= digits; i++) {
        index = index * 10 + (size_t)(path[i] - '0');
        if (index > INDEX_MOST)
            return NULL;
    }
    *ret_index = index;
    return path + digits + 2;
}

bool json_path_valid(const char *path)
{
    bool each, name_due = *path != '[';
    size_t index, length;

    if (strlen(path) > PATH_MOST_BYTES)
        return false;
    do {
        if (name_due) {
            length = strcspn(path, ".[]");
            if (length == 0)
                return false;
            path += length;
        } else if (*path == '[') {
            path = read_index(path, &each, &index);
        } else {
            return false;
        }
        name_due = path != NULL && *path == '.';
        if (name_due)
            path++;
    } while (path != NULL && (*path != '\0' || name_due));
    return path != NULL;
}

/* The member whose name is the first `length` bytes of `name`, or NULL. */
static const json_t *member(const json_t *object, const char *name, size_t length)
{
    char key[PATH_MOST_BYTES + 1];

    memcpy(key, name, length);
    key[length] = '\0';
    return json_object_get(object, key);
}

/* The depth of the recursion is bounded by the path's length. */
static bool walk(const json_t *at, const char *path, json_path_visitor *visit, void *arg)
{
    size_t index = 0, length;
    bool each;

    if (at == NULL || *path == '\0')
        return at != NULL && visit(at, arg);
    if (*path == '[') {
        path = read_index(path, &each, &index);
        if (!each)
            return walk(json_array_get(at, index), path, visit, arg);
        for (index = 0; index < json_array_size(at); index++)
            if (walk(json_array_get(at, index), path, visit, arg))
                return true;
        return false;
    }
    path += *path == '.';
    length = strcspn(path, ".[");
    return walk(member(at, path, length), path + length, visit, arg);
}

bool json_path_any(const json_t *root, const char *path, json_path_visitor *visit, void *arg)
{
    return walk(root, path, visit, arg);
}
