#include "base/hide.h"

#include "base/text.h"

#include <ctype.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

enum {
    WINDOWS_LEAST = 4096, /* for a JWT, tokens, passwords, and the keys of a few certificates */
    WINDOWS_PER_CERT = 256,
    WINDOWS_MOST = 256 * 1024,
    FOREIGN_MOST_BYTES = 4096,
    LOOKS_SECRET_CHARACTERS = 40,
    CHARACTERS_PER_SLASH = 16 /* paths have more slashes than base64 */
};

/* A hash table, at most half full, so that a search ends soon. 0 is an empty slot. */
struct table {
    uint32_t *prints;
    size_t slots, used;
};

static struct {
    pthread_mutex_t lock;
    uint64_t key[2];
    size_t windows;            /* capacity of the next table */
    struct table newer, older; /* a full table becomes the older one, which was dropped before */
    unsigned short_lengths;    /* bit n: a credential of n bytes is known */
    bool characters[UCHAR_MAX +
                    1];     /* that occur in any credential, to skip most of a text quickly */
    bool has_key, is_blind; /* is_blind: something could not be learned, so no text may be shown */
} known = {.lock = PTHREAD_MUTEX_INITIALIZER, .windows = WINDOWS_LEAST};

/* -- fingerprints ---------------------------------------------------------------------------------
 */

static uint64_t rotate(uint64_t word, unsigned by)
{
    return word << by | word >> (64 - by);
}

static void mix(uint64_t v[static 4], unsigned rounds)
{
    while (rounds-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32) + v[3];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

/* SipHash-2-4 (Aumasson and Bernstein, 2012) of up to eight bytes. */
static uint64_t print_of(const uint64_t key[static 2], const void *bytes, size_t length)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                     key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
    uint64_t word = 0, last = (uint64_t)length << 56;

    for (size_t i = 0; i < length; i++)
        word |= (uint64_t)((const unsigned char *)bytes)[i] << 8 * i;
    if (length == HIDE_PIECE_BYTES) {
        v[3] ^= word;
        mix(v, 2);
        v[0] ^= word;
    } else {
        last |= word;
    }
    v[3] ^= last;
    mix(v, 2);
    v[0] ^= last;
    v[2] ^= 0xff;
    mix(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The slot with the fingerprint, or the empty slot where it belongs. */
static uint32_t *slot_of(const struct table *table, uint64_t print)
{
    uint32_t tag = (uint32_t)(print >> 32) | 1;
    size_t at = print & (table->slots - 1);

    while (table->prints[at] != 0 && table->prints[at] != tag)
        at = (at + 1) & (table->slots - 1);
    return &table->prints[at];
}

static bool has(const struct table *table, uint64_t print)
{
    return table->prints != NULL && *slot_of(table, print) != 0;
}

static void start_table(void)
{
    size_t slots = 1;

    while (slots < 2 * known.windows)
        slots *= 2;
    free(known.older.prints);
    known.older = known.newer;
    known.newer =
        (struct table){.prints = calloc(slots, sizeof *known.newer.prints), .slots = slots};
    known.is_blind |= known.newer.prints == NULL;
}

static void add(const void *bytes, size_t length)
{
    uint64_t print = print_of(known.key, bytes, length);
    uint32_t *slot;

    for (size_t i = 0; i < length; i++)
        known.characters[((const unsigned char *)bytes)[i]] = true;
    if (known.newer.prints == NULL || known.newer.used * 2 >= known.newer.slots)
        start_table();
    if (known.newer.prints == NULL)
        return;
    slot = slot_of(&known.newer, print);
    known.newer.used += *slot == 0;
    *slot = (uint32_t)(print >> 32) | 1;
}

static bool is_known(const void *bytes, size_t length)
{
    uint64_t print;

    for (size_t i = length; i-- > 0;)
        if (!known.characters[((const unsigned char *)bytes)[i]])
            return false;
    print = print_of(known.key, bytes, length);
    return has(&known.newer, print) || has(&known.older, print);
}

/* -- learning -------------------------------------------------------------------------------------
 */

static void make_room(size_t windows)
{
    if (windows > WINDOWS_MOST)
        windows = WINDOWS_MOST;
    if (windows <= known.windows)
        return;
    known.windows = windows;
    start_table();
}

static void draw_key(void)
{
    if (known.has_key)
        return;
    known.has_key = getrandom(known.key, sizeof known.key, 0) == sizeof known.key;
    known.is_blind |= !known.has_key;
    mlock(known.key, sizeof known.key);
}

static void learn_bytes(const char *bytes, size_t length)
{
    pthread_mutex_lock(&known.lock);
    draw_key();
    make_room(2 * length);
    if (length < HIDE_PIECE_BYTES && length >= HIDE_WHOLE_BYTES) {
        known.short_lengths |= 1U << length;
        add(bytes, length);
    }
    for (size_t i = 0; i + HIDE_PIECE_BYTES <= length; i++)
        add(bytes + i, HIDE_PIECE_BYTES);
    pthread_mutex_unlock(&known.lock);
}

/* Learns the base64 of one PEM block without its line breaks, since it may be shown on one line. */
static void learn_block(const char *begin, const char *end)
{
    size_t length = 0;
    char *body = malloc((size_t)(end - begin) + 1);

    if (body == NULL) {
        pthread_mutex_lock(&known.lock);
        known.is_blind = true;
        pthread_mutex_unlock(&known.lock);
        return;
    }
    for (const char *at = begin; at < end; at++)
        if (!isspace((unsigned char)*at))
            body[length++] = *at;
    learn_bytes(body, length);
    explicit_bzero(body, length);
    free(body);
}

/* Learns the PEM blocks whose first line contains `label`; false if the text is no PEM. */
static bool learn_pem(const char *text, const char *label)
{
    const char *begin = strstr(text, "-----BEGIN ");

    if (begin == NULL)
        return false;
    for (; begin != NULL; begin = strstr(begin, "-----BEGIN ")) {
        const char *body = begin + strcspn(begin, "\n");
        const char *end = strstr(body, "-----END");
        const char *word = strstr(begin, label);

        begin = end == NULL ? body + strlen(body) : end;
        if (word != NULL && word < body)
            learn_block(body, begin);
    }
    return true;
}

void hide_learn(const void *credential, size_t length)
{
    const char *text = credential;

    if (strnlen(text, length) != length || !learn_pem(text, ""))
        learn_bytes(text, length);
}

void hide_learn_keys(const char *pem)
{
    if (!learn_pem(pem, "PRIVATE KEY"))
        learn_bytes(pem, strlen(pem));
}

void hide_make_room(size_t certs)
{
    pthread_mutex_lock(&known.lock);
    make_room(WINDOWS_LEAST + certs * WINDOWS_PER_CERT);
    pthread_mutex_unlock(&known.lock);
}

/* -- finding --------------------------------------------------------------------------------------
 */

/* A text, the parts to hide, and a buffer for decoded forms. */
struct foreign {
    size_t length, decoded_length;
    char text[FOREIGN_MOST_BYTES + 1];
    char hidden[FOREIGN_MOST_BYTES];
    char decoded[FOREIGN_MOST_BYTES];
    uint16_t from[FOREIGN_MOST_BYTES + 1]; /* position in the text of each decoded byte */
};

static void mark(struct foreign *foreign, size_t begin, size_t end)
{
    memset(foreign->hidden + begin, 1, end - begin);
}

/* The length of a piece of a credential, or of a short credential, at the start of the bytes; 0:
 * none. */
static size_t credential_at(const char *bytes, size_t most)
{
    size_t found = 0;

    if (most >= HIDE_PIECE_BYTES && is_known(bytes, HIDE_PIECE_BYTES))
        return HIDE_PIECE_BYTES;
    if (known.short_lengths == 0)
        return 0;
    for (size_t length = HIDE_WHOLE_BYTES; length < HIDE_PIECE_BYTES && length <= most; length++)
        if ((known.short_lengths & 1U << length) != 0 && is_known(bytes, length))
            found = length;
    return found;
}

static void judge_decoded(struct foreign *foreign)
{
    for (size_t at = 0; at < foreign->decoded_length; at++) {
        size_t found = credential_at(foreign->decoded + at, foreign->decoded_length - at);

        if (found > 0)
            mark(foreign, foreign->from[at], foreign->from[at + found]);
    }
}

static void judge_plain(struct foreign *foreign)
{
    memcpy(foreign->decoded, foreign->text, foreign->length);
    foreign->decoded_length = foreign->length;
    for (size_t i = 0; i <= foreign->length; i++)
        foreign->from[i] = (uint16_t)i;
    judge_decoded(foreign);
}

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, tolower((unsigned char)c));

    return at == NULL ? -1 : (int)(at - digits);
}

/* Decodes one character, such as "%2B", "\/", "\u002b" or "\x2b"; returns its length in the
 * text. */
static size_t unescape(const char *at, char *ret_character)
{
    const char *digits = at[0] == '%' ? at + 1 : at + 2;
    int high, low;

    *ret_character = at[0];
    if (at[0] != '%' && at[0] != '\\')
        return 1;
    if (at[0] == '\\' && at[1] != 'x' && strncmp(at, "\\u00", 4) != 0) {
        *ret_character = at[1];
        return at[1] == '\0' ? 1 : 2;
    }
    if (at[0] == '\\' && at[1] == 'u')
        digits += 2;
    high = hex_value(digits[0]);
    low = high < 0 ? -1 : hex_value(digits[1]);
    if (low < 0)
        return 1;
    *ret_character = (char)(high * 16 + low);
    return (size_t)(digits + 2 - at);
}

static void judge_escaped(struct foreign *foreign)
{
    size_t count = 0;

    if (strpbrk(foreign->text, "\\%") == NULL)
        return;
    for (size_t at = 0; at < foreign->length;) {
        foreign->from[count] = (uint16_t)at;
        at += unescape(foreign->text + at, &foreign->decoded[count++]);
    }
    foreign->from[count] = (uint16_t)foreign->length;
    foreign->decoded_length = count;
    judge_decoded(foreign);
}

/* Base64 (RFC 4648 section 4) or base64url (section 5); -1: neither. */
static int base64_value(char c)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(alphabet, c == '-' ? '+' : c == '_' ? '/' : c);

    return at == NULL ? -1 : (int)(at - alphabet);
}

/* Decodes a run that begins within a group: `bits_before` bits of the first byte are missing. */
static void judge_base64(struct foreign *foreign, size_t begin, size_t end, unsigned bits_before)
{
    unsigned bits = bits_before, held = 0;
    size_t count = 0;

    for (size_t at = begin; at < end; at++) {
        held = held << 6 | (unsigned)base64_value(foreign->text[at]);
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        foreign->from[count] =
            (uint16_t)(count == 0 ? begin : begin + (count * 8 - bits_before) / 6);
        foreign->decoded[count++] = (char)(held >> bits);
    }
    foreign->from[count] = (uint16_t)end;
    foreign->decoded_length = count;
    judge_decoded(foreign);
}

static bool looks_secret(const char *text, size_t length)
{
    size_t small = 0, capital = 0, digits = 0, slashes = 0;

    for (size_t i = 0; i < length; i++) {
        small += islower((unsigned char)text[i]) != 0;
        capital += isupper((unsigned char)text[i]) != 0;
        digits += isdigit((unsigned char)text[i]) != 0;
        slashes += text[i] == '/';
    }
    return length >= LOOKS_SECRET_CHARACTERS && small > 0 && capital > 0 && digits > 0 &&
           slashes * CHARACTERS_PER_SLASH <= length;
}

static void judge_runs(struct foreign *foreign)
{
    for (size_t begin = 0, end; begin < foreign->length; begin = end + 1) {
        for (end = begin; end < foreign->length && base64_value(foreign->text[end]) >= 0;)
            end++;
        for (unsigned bits_before = 0; bits_before < 8; bits_before += 2)
            judge_base64(foreign, begin, end, bits_before);
        if (looks_secret(foreign->text + begin, end - begin))
            mark(foreign, begin, end);
    }
}

void hide_foreign(char *to, size_t size, const char *from)
{
    struct foreign foreign;

    foreign.length = strnlen(from, FOREIGN_MOST_BYTES);
    memcpy(foreign.text, from, foreign.length);
    foreign.text[foreign.length] = '\0';
    memset(foreign.hidden, 0, foreign.length);
    pthread_mutex_lock(&known.lock);
    judge_plain(&foreign);
    judge_escaped(&foreign);
    judge_runs(&foreign);
    for (size_t i = 0; i < foreign.length; i++)
        if (foreign.hidden[i] != 0)
            foreign.text[i] = '*';
    if (known.is_blind)
        strcpy(foreign.text, "(not shown: there is no memory to look for credentials in it)");
    pthread_mutex_unlock(&known.lock);
    text_printable(to, size, foreign.text);
    explicit_bzero(foreign.decoded, sizeof foreign.decoded);
}

void hide_known(char *text)
{
    size_t length = strlen(text), hidden_to = 0;

    pthread_mutex_lock(&known.lock);
    for (size_t at = 0; at < length; at++) {
        size_t found = credential_at(text + at, length - at);

        if (found > 0 && at + found > hidden_to)
            hidden_to = at + found;
        /* Later pieces cannot include this byte. */
        if (at < hidden_to)
            text[at] = '*';
    }
    pthread_mutex_unlock(&known.lock);
}

void hide_line(char *to, size_t size, const char *from)
{
    char line[FOREIGN_MOST_BYTES + 1];

    snprintf(line, sizeof line, "%s", from);
    hide_known(line);
    text_printable(to, size, line);
}
