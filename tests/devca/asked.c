#include "asked.h"

#include "must.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { IPV4_BYTES = 4, IPV6_BYTES = 16 };

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void tidy(struct text_list *list)
{
    size_t kept = 0;

    if (list->count == 0)
        return;
    qsort(list->items, list->count, sizeof *list->items, compare);
    for (size_t i = 0; i < list->count; i++)
        if (kept == 0 || strcmp(list->items[kept - 1], list->items[i]) != 0)
            list->items[kept++] = list->items[i];
    list->count = kept;
}

void asked_tidy(struct asked *asked)
{
    tidy(&asked->dns);
    tidy(&asked->email);
}

/* The octets of an address; 0 if it is none. */
static int address_octets(const char *text, unsigned char octets[static IPV6_BYTES])
{
    if (inet_pton(AF_INET, text, octets) == 1)
        return IPV4_BYTES;
    return inet_pton(AF_INET6, text, octets) == 1 ? IPV6_BYTES : 0;
}

bool asked_is_ip(const char *text)
{
    unsigned char octets[IPV6_BYTES];

    return address_octets(text, octets) != 0;
}

static void add(GENERAL_NAMES *names, int type, const char *text)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value =
        ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    unsigned char octets[IPV6_BYTES];
    int length = (int)strlen(text);

    if (type == GEN_IPADD) {
        length = address_octets(text, octets);
        text = (const char *)octets;
    }
    MUST(name != NULL && value != NULL && ASN1_STRING_set(value, text, length) == 1);
    GENERAL_NAME_set0_value(name, type, value);
    MUST(sk_GENERAL_NAME_push(names, name) > 0);
}

GENERAL_NAMES *asked_names(const struct asked *asked)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();

    MUST(names != NULL);
    for (size_t i = 0; i < asked->dns.count; i++)
        add(names, GEN_DNS, asked->dns.items[i]);
    for (size_t i = 0; i < asked->email.count; i++)
        add(names, GEN_EMAIL, asked->email.items[i]);
    for (size_t i = 0; i < asked->ip.count; i++)
        add(names, GEN_IPADD, asked->ip.items[i]);
    for (size_t i = 0; i < asked->uri.count; i++)
        add(names, GEN_URI, asked->uri.items[i]);
    return names;
}
