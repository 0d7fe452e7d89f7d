#include "prove/starttls.h"

#include "base/hide.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Parses the start of the input. WAITS: it is incomplete. Else *ret_taken bytes were consumed. */
typedef enum starttls_step hear_step(struct starttls_talk *talk, size_t *ret_taken);

enum { SAID_BYTES = 120 };

static void say(struct starttls_talk *talk, const void *bytes, size_t length)
{
    memcpy(talk->out, bytes, length);
    talk->out_length = length;
}

static void say_line(struct starttls_talk *talk, const char *line)
{
    say(talk, line, strlen(line));
}

static enum starttls_step fail(struct starttls_talk *talk, const char *why)
{
    snprintf(talk->why, sizeof talk->why, "%s", why);
    return STARTTLS_FAILED;
}

/* Fails with the server's own text, up to a NUL or a line break. */
static enum starttls_step fail_quoting(struct starttls_talk *talk, const char *why,
                                       const void *words, size_t length)
{
    char raw[SAID_BYTES], said[SAID_BYTES];

    snprintf(raw, sizeof raw, "%.*s", (int)(length < sizeof raw ? length : sizeof raw - 1),
             (const char *)words);
    raw[strcspn(raw, "\r\n")] = '\0';
    hide_foreign(said, sizeof said, raw);
    snprintf(talk->why, sizeof talk->why, "%s: %s", why, said);
    return STARTTLS_FAILED;
}

/* -- PostgreSQL -----------------------------------------------------------------------------------
 */

static enum starttls_step hear_postgres(struct starttls_talk *talk, size_t *ret_taken)
{
    *ret_taken = 1;
    if (talk->in[0] == 'S')
        return STARTTLS_READY;
    return talk->in[0] == 'N' ? fail(talk, "the server offers no TLS; set ssl = on")
                              : fail(talk, "the server does not speak PostgreSQL's protocol");
}

/* -- MySQL and MariaDB ----------------------------------------------------------------------------
 */

enum {
    PACKET_HEAD_BYTES = 4,
    MYSQL_VERSION_10 = 10,
    MYSQL_ERROR = 0xff,
    MYSQL_ERROR_HEAD_BYTES = 3,
    MYSQL_BEHIND_VERSION_BYTES = 13, /* thread id, salt, filler */
    MYSQL_SSL_HIGH = 0x08,           /* CLIENT_SSL, 0x0800, in the second byte */
};

static enum starttls_step hear_mysql(struct starttls_talk *talk, size_t *ret_taken)
{
    /* CLIENT_PROTOCOL_41, CLIENT_SSL, CLIENT_SECURE_CONNECTION; 16 MiB packets; utf8mb4. */
    static const unsigned char request[PACKET_HEAD_BYTES + 32] = {32, 0, 0, 1, 0x00, 0x8a, 0,
                                                                  0,  0, 0, 0, 1,    45};
    const unsigned char *packet = talk->in + PACKET_HEAD_BYTES, *end;
    size_t length;

    if (talk->in_length < PACKET_HEAD_BYTES)
        return STARTTLS_WAITS;
    length = talk->in[0] | (size_t)talk->in[1] << 8 | (size_t)talk->in[2] << 16;
    if (length == 0 || length > sizeof talk->in - PACKET_HEAD_BYTES)
        return fail(talk, "the server does not speak MySQL's protocol");
    if (talk->in_length < PACKET_HEAD_BYTES + length)
        return STARTTLS_WAITS;
    *ret_taken = PACKET_HEAD_BYTES + length;
    if (packet[0] == MYSQL_ERROR && length > MYSQL_ERROR_HEAD_BYTES)
        return fail_quoting(talk, "the server refuses the connection",
                            packet + MYSQL_ERROR_HEAD_BYTES, length - MYSQL_ERROR_HEAD_BYTES);
    end = memchr(packet, '\0', length);
    if (packet[0] != MYSQL_VERSION_10 || end == NULL ||
        (size_t)(packet + length - end) < 1 + MYSQL_BEHIND_VERSION_BYTES + 2)
        return fail(talk, "the server does not speak MySQL's protocol 10");
    if ((end[1 + MYSQL_BEHIND_VERSION_BYTES + 1] & MYSQL_SSL_HIGH) == 0)
        return fail(talk, "the server offers no TLS; set ssl_cert and ssl_key");
    say(talk, request, sizeof request);
    return STARTTLS_READY;
}

/* -- protocols of lines ---------------------------------------------------------------------------
 */

/* Takes the first line as a text, without its line break; NULL if it is incomplete. */
static const char *take_line(struct starttls_talk *talk, size_t *ret_taken)
{
    unsigned char *end = memchr(talk->in, '\n', talk->in_length);

    if (end == NULL)
        return NULL;
    *ret_taken = (size_t)(end - talk->in) + 1;
    *end = '\0';
    if (end > talk->in && end[-1] == '\r')
        end[-1] = '\0';
    return (const char *)talk->in;
}

static enum starttls_step hear_smtp(struct starttls_talk *talk, size_t *ret_taken)
{
    enum { GREETING, EXTENSIONS, GO_AHEAD };
    static const char *const codes[] = {"220", "250", "220"};
    const char *line = take_line(talk, ret_taken);
    const char *rest = line == NULL ? NULL : text_starts(line, codes[talk->stage]);

    if (line == NULL)
        return STARTTLS_WAITS;
    if (rest == NULL || strchr("- ", *rest) == NULL)
        return fail_quoting(talk, "the server says no", line, strlen(line));
    if (talk->stage == EXTENSIONS && *rest != '\0' && strcasecmp(rest + 1, "STARTTLS") == 0)
        talk->offered = true;
    if (*rest == '-')
        return STARTTLS_WAITS;
    switch (talk->stage++) {
    case GREETING:
        /* An address literal (RFC 5321 section 4.1.3), for a client without a name of its own. */
        say_line(talk, "EHLO [127.0.0.1]\r\n");
        return STARTTLS_WAITS;
    case EXTENSIONS:
        if (!talk->offered)
            return fail(talk, "the server offers no STARTTLS");
        say_line(talk, "STARTTLS\r\n");
        return STARTTLS_WAITS;
    default:
        return STARTTLS_READY;
    }
}

static enum starttls_step hear_imap(struct starttls_talk *talk, size_t *ret_taken)
{
    enum { GREETING, GO_AHEAD };
    const char *line = take_line(talk, ret_taken);

    if (line == NULL)
        return STARTTLS_WAITS;
    if (talk->stage == GREETING) {
        if (strncasecmp(line, "* OK", 4) != 0)
            return fail_quoting(talk, "the server says no", line, strlen(line));
        say_line(talk, "a001 STARTTLS\r\n");
        talk->stage = GO_AHEAD;
        return STARTTLS_WAITS;
    }
    if (line[0] == '*')
        return STARTTLS_WAITS;
    return strncasecmp(line, "a001 OK", 7) == 0
               ? STARTTLS_READY
               : fail_quoting(talk, "the server says no", line, strlen(line));
}

/* -- LDAP -----------------------------------------------------------------------------------------
 */

enum {
    BER_INTEGER = 0x02,
    BER_ENUMERATED = 0x0a,
    BER_SEQUENCE = 0x30,
    LDAP_EXTENDED_REQUEST = 0x77,
    LDAP_EXTENDED_RESPONSE = 0x78,
    LDAP_REQUEST_NAME = 0x80,
    LDAP_OUR_MESSAGE = 1,
};

static const char odd_ldap[] = "the server does not speak LDAP";

struct ber {
    const unsigned char *at, *end;
};

/*
 * Reads a tag and its length; the content need not be complete. False if tag or length are
 * incomplete, or wrong, which sets *ret_wrong.
 */
static bool ber_head(struct ber *ber, unsigned tag, size_t *ret_length, bool *ret_wrong)
{
    const unsigned char *at = ber->at;
    size_t octets, length = 0;

    *ret_wrong = at < ber->end && *at != tag;
    if (*ret_wrong || ber->end - at < 2)
        return false;
    at++;
    octets = *at >= 0x80 ? *at & 0x7fU : 0;
    *ret_wrong = *at == 0x80 || octets > sizeof(uint32_t);
    if (*ret_wrong || (size_t)(ber->end - at) < 1 + octets)
        return false;
    length = octets == 0 ? *at : 0;
    for (size_t i = 1; i <= octets; i++)
        length = length << 8 | at[i];
    ber->at = at + 1 + octets;
    *ret_length = length;
    return true;
}

/* Reads a number of one octet. */
static bool ber_octet(struct ber *ber, unsigned tag, unsigned *ret_value)
{
    size_t length;
    bool wrong;

    if (!ber_head(ber, tag, &length, &wrong) || length != 1 || ber->at == ber->end)
        return false;
    *ret_value = *ber->at++;
    return true;
}

static enum starttls_step hear_ldap(struct starttls_talk *talk, size_t *ret_taken)
{
    struct ber ber = {talk->in, talk->in + talk->in_length};
    unsigned message = 0, result = 0;
    size_t length;
    bool wrong;

    if (!ber_head(&ber, BER_SEQUENCE, &length, &wrong))
        return wrong ? fail(talk, odd_ldap) : STARTTLS_WAITS;
    if (length > sizeof talk->in - (size_t)(ber.at - talk->in))
        return fail(talk, odd_ldap);
    if ((size_t)(ber.end - ber.at) < length)
        return STARTTLS_WAITS;
    ber.end = ber.at + length;
    *ret_taken = (size_t)(ber.end - talk->in);
    if (!ber_octet(&ber, BER_INTEGER, &message) || message != LDAP_OUR_MESSAGE ||
        !ber_head(&ber, LDAP_EXTENDED_RESPONSE, &length, &wrong) ||
        !ber_octet(&ber, BER_ENUMERATED, &result))
        return fail(talk, odd_ldap);
    if (result == 0)
        return STARTTLS_READY;
    snprintf(talk->why, sizeof talk->why, "the server refuses StartTLS with result code %u",
             result);
    return STARTTLS_FAILED;
}

/* -- all of them ----------------------------------------------------------------------------------
 */

enum starttls_step starttls_begin(struct starttls_talk *talk, enum starttls kind)
{
    static const unsigned char postgres[] = {0, 0, 0, 8, 4, 210, 22, 47};
    static const char oid[] = "1.3.6.1.4.1.1466.20037";
    static const unsigned char ldap[] = {BER_SEQUENCE,
                                         29,
                                         BER_INTEGER,
                                         1,
                                         LDAP_OUR_MESSAGE,
                                         LDAP_EXTENDED_REQUEST,
                                         24,
                                         LDAP_REQUEST_NAME,
                                         sizeof oid - 1};

    *talk = (struct starttls_talk){.kind = kind};
    if (kind == STARTTLS_POSTGRES)
        say(talk, postgres, sizeof postgres);
    if (kind == STARTTLS_LDAP) {
        say(talk, ldap, sizeof ldap);
        memcpy(talk->out + sizeof ldap, oid, sizeof oid - 1);
        talk->out_length += sizeof oid - 1;
    }
    return kind == STARTTLS_NONE ? STARTTLS_READY : STARTTLS_WAITS;
}

/* Handles the buffered input, line by line or packet by packet. */
static enum starttls_step work_off(struct starttls_talk *talk)
{
    static hear_step *const hear[STARTTLS_COUNT] = {
        [STARTTLS_POSTGRES] = hear_postgres, [STARTTLS_MYSQL] = hear_mysql,
        [STARTTLS_SMTP] = hear_smtp,         [STARTTLS_IMAP] = hear_imap,
        [STARTTLS_LDAP] = hear_ldap,
    };

    while (talk->in_length > 0) {
        size_t taken = 0;
        enum starttls_step step;

        if (talk->out_length > 0)
            return fail(talk, "the server sends data before the request");
        step = hear[talk->kind](talk, &taken);
        if (step == STARTTLS_FAILED)
            return step;
        if (step == STARTTLS_READY && taken < talk->in_length)
            return fail(talk, "the server goes on in the clear where TLS begins");
        if (taken == 0)
            return talk->in_length < sizeof talk->in
                       ? STARTTLS_WAITS
                       : fail(talk, "the server sends a line that is too long");
        talk->in_length -= taken;
        memmove(talk->in, talk->in + taken, talk->in_length);
        if (step == STARTTLS_READY)
            return step;
    }
    return STARTTLS_WAITS;
}

enum starttls_step starttls_hear(struct starttls_talk *talk, const void *bytes, size_t length)
{
    const unsigned char *from = bytes;
    enum starttls_step step = STARTTLS_WAITS;

    talk->in_total += length;
    if (talk->in_total > STARTTLS_IN_MOST_BYTES)
        return fail(talk, "the server sends too much data before TLS");
    while (length > 0 && step == STARTTLS_WAITS) {
        size_t room = sizeof talk->in - talk->in_length;
        size_t part = length < room ? length : room;

        memcpy(talk->in + talk->in_length, from, part);
        talk->in_length += part;
        from += part;
        length -= part;
        step = work_off(talk);
    }
    if (step == STARTTLS_READY && length > 0)
        return fail(talk, "the server goes on in the clear where TLS begins");
    return step;
}
