#include "base/text.h"

#include <ctype.h>
#include <string.h>

bool text_list_add(struct text_list *list, struct arena *arena, const char *item, size_t length)
{
    /* The array doubles at each power of two. The old one stays in the arena. */
    if ((list->count & (list->count - 1)) == 0) {
        size_t room = list->count == 0 ? 1 : list->count * 2;
        const char **items = arena_take(arena, room * sizeof *items);

        if (items == NULL)
            return false;
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
    }
    list->items[list->count] = arena_copy_part(arena, item, length);
    if (list->items[list->count] == NULL)
        return false;
    list->count++;
    return true;
}

bool text_list_split(struct text_list *list, struct arena *arena, const char *value,
                     const char *separators, bool *ret_empty)
{
    for (;;) {
        size_t length = strcspn(value, separators);
        const char *start = value;
        size_t kept = length;

        while (kept > 0 && isspace((unsigned char)*start)) {
            start++;
            kept--;
        }
        while (kept > 0 && isspace((unsigned char)start[kept - 1]))
            kept--;
        if (kept == 0)
            *ret_empty = true;
        else if (!text_list_add(list, arena, start, kept))
            return false;
        if (value[length] == '\0')
            return true;
        value += length + 1;
    }
}

bool text_list_has(const struct text_list *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], text) == 0)
            return true;
    return false;
}

const char *text_list_missing(const struct text_list *wanted, const struct text_list *got)
{
    for (size_t i = 0; i < wanted->count; i++)
        if (!text_list_has(got, wanted->items[i]))
            return wanted->items[i];
    return NULL;
}

bool text_list_equal(const struct text_list *a, const struct text_list *b)
{
    return text_list_missing(a, b) == NULL && text_list_missing(b, a) == NULL;
}

bool text_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

const char *text_starts(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);

    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

char *text_trim(char *text)
{
    size_t length;

    while (isspace((unsigned char)*text))
        text++;
    length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    return text;
}

bool text_number(const char *text, uint64_t most, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        unsigned digit = (unsigned)(*text - '0');

        if (digit > 9 || digit > most || number > (most - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return true;
}

void text_printable(char *to, size_t size, const char *from)
{
    size_t used = 0;

    for (; *from != '\0'; from++) {
        unsigned char c = (unsigned char)*from;

        if (c <= ' ' || c == 0x7f)
            c = ' ';
        else if (c > 0x7f)
            c = '?';
        if (c == ' ' && (used == 0 || to[used - 1] == ' '))
            continue;
        if (used + 1 >= size) {
            memcpy(to + size - 4, "...", 4);
            return;
        }
        to[used++] = (char)c;
    }
    while (used > 0 && to[used - 1] == ' ')
        used--;
    to[used] = '\0';
}

enum { NEAR_NAME_BYTES = 64, NEAR_EDITS = 2, SHORT_NAME_BYTES = 5, NEAR_NAMES = 3 };

/* The Levenshtein distance, with one row. Both texts are shorter than NEAR_NAME_BYTES. */
static size_t edits_between(const char *a, const char *b)
{
    size_t row[NEAR_NAME_BYTES];
    size_t length = strlen(b);

    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            size_t best = diagonal + !same;

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[length];
}

const char *text_near(struct arena *arena, const char *typed, const char *const *names,
                      size_t count)
{
    const char *near[NEAR_NAMES], *joined;
    size_t other;
    size_t found = 0, length = strlen(typed);
    size_t most = length < SHORT_NAME_BYTES ? 1 : NEAR_EDITS;

    if (length == 0 || length >= NEAR_NAME_BYTES)
        return NULL;
    for (size_t edits = 0; edits <= most; edits++)
        for (size_t i = 0; i < count && found < NEAR_NAMES; i++) {
            other = strlen(names[i]);
            /* The distance is at least the difference of the lengths. */
            if (other < NEAR_NAME_BYTES && other <= length + edits && length <= other + edits &&
                edits_between(typed, names[i]) == edits)
                near[found++] = names[i];
        }
    joined = found == 0 ? NULL : near[0];
    for (size_t i = 1; i < found && joined != NULL; i++)
        joined = arena_format(arena, "%s%s%s", joined, i + 1 == found ? " or " : ", ", near[i]);
    return joined;
}

/* The next hex digit in lower case, without colons; '\0' at the end. */
static char next_digit(const char **at)
{
    while (**at == ':')
        (*at)++;
    return **at == '\0' ? '\0' : (char)tolower((unsigned char)*(*at)++);
}

static const char *behind_zeros(const char *text)
{
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        text += 2;
    return text + strspn(text, "0:");
}

bool hex_same(const char *a, const char *b)
{
    char digit;

    a = behind_zeros(a);
    b = behind_zeros(b);
    do {
        digit = next_digit(&a);
        if (digit != next_digit(&b) || (digit != '\0' && !isxdigit((unsigned char)digit)))
            return false;
    } while (digit != '\0');
    return true;
}
