#include "base/json_scan.h"

#include <string.h>

enum { MEMBERS_MOST = 32, NAME_BYTES = 64 };

static bool skip(struct json_scan *scan);

static bool break_off(struct json_scan *scan)
{
    scan->is_broken = true;
    scan->at = scan->end;
    return false;
}

/* Skips white space and returns the next character without taking it; 0 at the end. */
static char look(struct json_scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' || *scan->at == '\r'))
        scan->at++;
    return scan->at < scan->end ? *scan->at : '\0';
}

static bool take(struct json_scan *scan, char wanted)
{
    if (look(scan) != wanted)
        return false;
    scan->at++;
    return true;
}

static bool take_word(struct json_scan *scan, const char *word)
{
    size_t length = strlen(word);

    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
        return false;
    scan->at += length;
    return true;
}

/* -- texts ----------------------------------------------------------------------------------------
 */

/* The value of four hex digits; -1 if they are not. */
static int hex4(const char *at, const char *end)
{
    int value = 0;

    if (end - at < 4)
        return -1;
    for (unsigned i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdefABCDEF";
        const char *digit = at[i] == '\0' ? NULL : strchr(digits, at[i]);

        if (digit == NULL)
            return -1;
        value = value * 16 + (int)(digit - digits) - (digit - digits > 15 ? 6 : 0);
    }
    return value;
}

/* The length of the UTF-8 character at `at`; 0 if it is invalid: RFC 3629 section 4. */
static size_t utf8_bytes(const char *at, const char *end)
{
    const unsigned char *c = (const unsigned char *)at;
    size_t bytes = c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf5 ? 4 : 0;

    if (bytes == 0 || (size_t)(end - at) < bytes)
        return 0;
    for (size_t i = 1; i < bytes; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
        (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
        return 0;
    return bytes;
}

static char *put_utf8(char *to, unsigned character)
{
    if (character < 0x80) {
        *to++ = (char)character;
        return to;
    }
    if (character < 0x800) {
        *to++ = (char)(0xc0 | character >> 6);
    } else {
        if (character < 0x10000) {
            *to++ = (char)(0xe0 | character >> 12);
        } else {
            *to++ = (char)(0xf0 | character >> 18);
            *to++ = (char)(0x80 | (character >> 12 & 0x3f));
        }
        *to++ = (char)(0x80 | (character >> 6 & 0x3f));
    }
    *to++ = (char)(0x80 | (character & 0x3f));
    return to;
}

/* Decodes \uXXXX, or a surrogate pair; NULL if it is invalid or NUL. */
static char *put_number(struct json_scan *scan, char *to)
{
    int first = hex4(scan->at, scan->end), second;

    if (first <= 0 || (first >= 0xdc00 && first <= 0xdfff))
        return NULL;
    scan->at += 4;
    if (first < 0xd800 || first > 0xdfff)
        return put_utf8(to, (unsigned)first);
    if (!take_word(scan, "\\u"))
        return NULL;
    second = hex4(scan->at, scan->end);
    if (second < 0xdc00 || second > 0xdfff)
        return NULL;
    scan->at += 4;
    return put_utf8(to, 0x10000 + ((unsigned)first - 0xd800) * 0x400 + (unsigned)second - 0xdc00);
}

/* Decodes what follows a backslash; NULL if it is invalid. */
static char *put_escaped(struct json_scan *scan, char *to)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char letter = scan->at < scan->end ? *scan->at++ : '\0';
    const char *found = letter == '\0' ? NULL : strchr(letters, letter);

    if (letter == 'u')
        return put_number(scan, to);
    if (found == NULL)
        return NULL;
    *to++ = meant[found - letters];
    return to;
}

/* How many ASCII characters from `at` on need no decoding. */
static size_t plain_bytes(const char *at, const char *end)
{
    const char *from = at;

    while (at < end && (unsigned char)*at >= ' ' && (unsigned char)*at < 0x80 && *at != '"' &&
           *at != '\\')
        at++;
    return (size_t)(at - from);
}

/* Decodes a text after its opening quote. `to` has room for the rest of the text. NULL if it is
 * invalid. */
static char *unescape(struct json_scan *scan, char *to)
{
    while (to != NULL && scan->at < scan->end && *scan->at != '"') {
        size_t bytes = plain_bytes(scan->at, scan->end);

        if (bytes == 0 && (*scan->at & 0x80) != 0)
            bytes = utf8_bytes(scan->at, scan->end);
        if (bytes > 0) {
            memmove(to, scan->at, bytes);
            scan->at += bytes;
            to += bytes;
        } else if (*scan->at == '\\') {
            scan->at++;
            to = put_escaped(scan, to);
        } else {
            to = NULL;
        }
    }
    if (to == NULL || !take(scan, '"'))
        return NULL;
    *to = '\0';
    return to;
}

/* The length of the raw text up to its closing quote. */
static size_t text_bytes(const struct json_scan *scan)
{
    const char *at = scan->at;

    while (at < scan->end && *at != '"')
        at += *at == '\\' && scan->end - at > 1 ? 2 : 1;
    return (size_t)(at - scan->at);
}

bool json_scan_text(struct json_scan *scan, const char **ret_text)
{
    bool is_null = look(scan) == 'n';
    char *text;

    *ret_text = NULL;
    if (look(scan) != '"')
        return skip(scan) && is_null;
    scan->at++;
    text = arena_take(scan->arena, text_bytes(scan) + 1);
    if (text == NULL || unescape(scan, text) == NULL)
        return break_off(scan);
    *ret_text = text;
    return true;
}

bool json_scan_word(struct json_scan *scan, const char *const *words, unsigned *ret_index)
{
    const char *text;

    if (!json_scan_text(scan, &text) || text == NULL)
        return false;
    for (*ret_index = 0; words[*ret_index] != NULL; ++*ret_index)
        if (strcmp(text, words[*ret_index]) == 0)
            return true;
    return false;
}

/* -- other values ---------------------------------------------------------------------------------
 */

static size_t digits_at(const struct json_scan *scan)
{
    const char *at = scan->at;

    while (at < scan->end && *at >= '0' && *at <= '9')
        at++;
    return (size_t)(at - scan->at);
}

static bool take_digits(struct json_scan *scan)
{
    size_t digits = digits_at(scan);

    scan->at += digits;
    return digits > 0;
}

/* Parses a number. *ret_number is 0 if it has a fraction or an exponent. */
static bool take_number(struct json_scan *scan, int64_t *ret_number)
{
    bool is_negative = take_word(scan, "-"), is_whole = true;
    size_t digits = digits_at(scan);
    int64_t number = 0;

    if (digits == 0 || (digits > 1 && *scan->at == '0') || digits > 18)
        return break_off(scan);
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (*scan->at++ - '0');
    if (take_word(scan, ".")) {
        is_whole = false;
        if (!take_digits(scan))
            return break_off(scan);
    }
    if (take_word(scan, "e") || take_word(scan, "E")) {
        is_whole = false;
        if (!take_word(scan, "+"))
            (void)take_word(scan, "-");
        if (!take_digits(scan))
            return break_off(scan);
    }
    *ret_number = !is_whole ? 0 : is_negative ? -number : number;
    return true;
}

/* Begins an object or array; false if there is none, or it is too deep. */
static bool enter(struct json_scan *scan, char open)
{
    if (!take(scan, open))
        return false;
    return ++scan->depth <= JSON_SCAN_DEPTH || break_off(scan);
}

/* Whether another member or item follows; takes the comma before it, or the end. */
static bool next(struct json_scan *scan, char close, bool *is_first)
{
    bool was_first = *is_first;

    *is_first = false;
    if (scan->is_broken)
        return false;
    if (take(scan, close)) {
        scan->depth--;
        return false;
    }
    return was_first || take(scan, ',') || break_off(scan);
}

/* Reads the name of a member and the colon. A name that is too long for the table becomes "". */
static bool take_name(struct json_scan *scan, char name[static NAME_BYTES])
{
    char unescaped[NAME_BYTES];

    if (!take(scan, '"'))
        return break_off(scan);
    name[0] = '\0';
    if (text_bytes(scan) < NAME_BYTES) {
        if (unescape(scan, unescaped) == NULL)
            return break_off(scan);
        memcpy(name, unescaped, NAME_BYTES);
    } else {
        scan->at--;
        if (!skip(scan))
            return false;
    }
    return take(scan, ':') || break_off(scan);
}

static bool skip_text(struct json_scan *scan)
{
    char some[4];

    scan->at++;
    while (scan->at < scan->end && *scan->at != '"') {
        size_t bytes = plain_bytes(scan->at, scan->end);

        if (bytes == 0 && (*scan->at & 0x80) != 0)
            bytes = utf8_bytes(scan->at, scan->end);
        scan->at += bytes;
        if (bytes == 0 && (!take_word(scan, "\\") || put_escaped(scan, some) == NULL))
            return break_off(scan);
    }
    return take(scan, '"') || break_off(scan);
}

static bool skip_inside(struct json_scan *scan, char open, char close)
{
    char name[NAME_BYTES];
    bool is_first = true;

    if (!enter(scan, open))
        return false;
    while (next(scan, close, &is_first))
        if ((open == '{' && !take_name(scan, name)) || !skip(scan))
            return false;
    return !scan->is_broken;
}

/* Skips a value of any kind; false if it is invalid. */
static bool skip(struct json_scan *scan)
{
    int64_t number;

    switch (look(scan)) {
    case '"':
        return skip_text(scan);
    case '{':
        return skip_inside(scan, '{', '}');
    case '[':
        return skip_inside(scan, '[', ']');
    case 't':
        return take_word(scan, "true") || break_off(scan);
    case 'f':
        return take_word(scan, "false") || break_off(scan);
    case 'n':
        return take_word(scan, "null") || break_off(scan);
    default:
        return take_number(scan, &number);
    }
}

/* -- objects and arrays ---------------------------------------------------------------------------
 */

struct json_scan json_scan_begin(const char *text, size_t length, struct arena *arena)
{
    return (struct json_scan){.at = text, .end = text + length, .arena = arena};
}

bool json_scan_ended(struct json_scan *scan)
{
    return !scan->is_broken && look(scan) == '\0' && scan->at == scan->end;
}

bool json_scan_items(struct json_scan *scan, bool (*read)(struct json_scan *scan, void *field),
                     void *field)
{
    bool is_first = true, is_good = true;

    if (look(scan) != '[') {
        skip(scan);
        return false;
    }
    if (!enter(scan, '['))
        return false;
    while (next(scan, ']', &is_first))
        if (is_good)
            is_good = read(scan, field);
        else
            skip(scan);
    return is_good && !scan->is_broken;
}

static bool read_item(struct json_scan *scan, void *field)
{
    struct text_list *list = field;
    const char *text, **item;

    if (!json_scan_text(scan, &text) || text == NULL)
        return false;
    item = arena_append(scan->arena, &list->items, &list->count, sizeof *list->items);
    if (item == NULL)
        return break_off(scan);
    *item = text;
    return true;
}

static bool read_chars(struct json_scan *scan, char *to, size_t bytes)
{
    const char *text;

    if (!json_scan_text(scan, &text) || text == NULL || strlen(text) >= bytes)
        return false;
    memcpy(to, text, strlen(text) + 1);
    return true;
}

static bool read_text(struct json_scan *scan, const char **to)
{
    const char *text;

    if (!json_scan_text(scan, &text))
        return false;
    if (text != NULL)
        *to = text;
    return true;
}

/* A value of another type counts as 0 or false. */
static bool read_member(struct json_scan *scan, const struct json_member *member, void *field)
{
    switch (member->kind) {
    case JSON_MEMBER_TEXT:
        return read_text(scan, field);
    case JSON_MEMBER_CHARS:
        return read_chars(scan, field, member->bytes);
    case JSON_MEMBER_TEXTS:
        return json_scan_items(scan, read_item, field);
    case JSON_MEMBER_INT64:
        return strchr("-0123456789", look(scan)) != NULL ? take_number(scan, field) : skip(scan);
    case JSON_MEMBER_TRUTH:
        *(bool *)field = look(scan) == 't';
        return skip(scan);
    case JSON_MEMBER_OTHER:
        return member->read(scan, field);
    }
    return false;
}

bool json_scan_object(struct json_scan *scan, const struct json_member *members, void *to)
{
    bool is_first = true, is_good = true;
    char name[NAME_BYTES];
    uint32_t seen = 0;

    if (look(scan) != '{') {
        skip(scan);
        return false;
    }
    if (!enter(scan, '{'))
        return false;
    while (next(scan, '}', &is_first) && take_name(scan, name)) {
        size_t i = 0;

        while (members[i].name != NULL && strcmp(members[i].name, name) != 0)
            i++;
        if (members[i].name == NULL) {
            skip(scan);
            continue;
        }
        is_good &= (seen & 1U << i) == 0;
        seen |= 1U << i;
        is_good &= read_member(scan, &members[i], (unsigned char *)to + members[i].offset);
    }
    for (size_t i = 0; members[i].name != NULL; i++)
        is_good &= !members[i].is_needed || (seen & 1U << i) != 0;
    return is_good && !scan->is_broken;
}
