#include "prove/evidence.h"

#include "pki/certificate.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/un.h>

static void write_address(struct evidence *evidence, const struct resolved_address *address)
{
    const void *at = &address->address;
    const struct sockaddr_in6 *six = at;
    const struct sockaddr_in *four = at;
    const struct sockaddr_un *path = at;
    char text[INET6_ADDRSTRLEN] = "";

    if (address->address.ss_family == AF_INET) {
        inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
        snprintf(evidence->address, sizeof evidence->address, "%s:%u", text, ntohs(four->sin_port));
    } else if (address->address.ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text);
        snprintf(evidence->address, sizeof evidence->address, "[%s]:%u", text,
                 ntohs(six->sin6_port));
    } else if (address->address.ss_family == AF_UNIX) {
        snprintf(evidence->address, sizeof evidence->address, "%.*s", (int)sizeof path->sun_path,
                 path->sun_path);
    }
}

void evidence_note(struct evidence *evidence, const struct resolved_address *address,
                   const SSL *ssl)
{
    STACK_OF(X509) *sent = ssl == NULL ? NULL : SSL_get_peer_cert_chain(ssl);
    int count = sent == NULL ? 0 : sk_X509_num(sent);
    struct arena arena = {0};
    const char *top;

    *evidence = (struct evidence){0};
    write_address(evidence, address);
    if (count == 0)
        return;
    snprintf(evidence->tls_version, sizeof evidence->tls_version, "%s", SSL_get_version(ssl));
    top = certificate_name(X509_get_subject_name(sk_X509_value(sent, count - 1)), &arena);
    snprintf(evidence->top, sizeof evidence->top, "%s", top == NULL ? "" : top);
    arena_free(&arena);
}
