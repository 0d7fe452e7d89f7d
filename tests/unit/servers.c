#include "servers.h"

#include <openssl/core_names.h>
#include <openssl/err.h>

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* -- preambles ------------------------------------------------------------------------------------
 */

/* Byte by byte, so that the other side meets every cut. */
static int say(int fd, const void *bytes, size_t length)
{
    const char *from = bytes;

    for (size_t i = 0; i < length; i++)
        if (send(fd, from + i, 1, MSG_NOSIGNAL) != 1)
            return 0;
    return 1;
}

static int expect(int fd, const void *bytes, size_t length)
{
    char got[256];

    return recv(fd, got, length, MSG_WAITALL) == (ssize_t)length && memcmp(got, bytes, length) == 0;
}

#define SAY(fd, text)    say(fd, text, sizeof(text) - 1)
#define EXPECT(fd, text) expect(fd, text, sizeof(text) - 1)

int preamble_postgres(int fd)
{
    return EXPECT(fd, "\0\0\0\x08\x04\xd2\x16\x2f") && SAY(fd, "S");
}

int preamble_mysql(int fd)
{
    static const char greeting[] = "\x3f\0\0\0\x0a"
                                   "8.0.36\0\x2a\0\0\0saltsalt\0\xff\xff\x2d\x02\0\xff\xdf\x15"
                                   "\0\0\0\0\0\0\0\0\0\0saltsaltsalt\0native\0\0\0\0\0";
    char request[36];

    return say(fd, greeting, 4 + 0x3f) &&
           recv(fd, request, sizeof request, MSG_WAITALL) == sizeof request &&
           memcmp(request, "\x20\0\0\x01", 4) == 0 && (request[5] & 0x08) != 0;
}

int preamble_smtp(int fd)
{
    return SAY(fd, "220-mail.example.test\r\n220 ready\r\n") &&
           EXPECT(fd, "EHLO [127.0.0.1]\r\n") &&
           SAY(fd, "250-mail.example.test\r\n250-PIPELINING\r\n250-starttls\r\n250 8BITMIME\r\n") &&
           EXPECT(fd, "STARTTLS\r\n") && SAY(fd, "220 2.0.0 go ahead\r\n");
}

int preamble_imap(int fd)
{
    return SAY(fd, "* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n") &&
           EXPECT(fd, "a001 STARTTLS\r\n") &&
           SAY(fd, "* CAPABILITY IMAP4rev1\r\na001 OK begin\r\n");
}

int preamble_ldap(int fd)
{
    return EXPECT(fd, "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
                      "1.3.6.1.4.1.1466.20037") &&
           SAY(fd, "\x30\x84\0\0\0\x10\x02\x01\x01\x78\x84\0\0\0\x07\x0a\x01\0\x04\0\x04\0");
}

/* -- one connection -------------------------------------------------------------------------------
 */

static void set_time_limit(int fd)
{
    const struct timeval limit = {.tv_sec = 20};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static EVP_PKEY *long_group(void)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    char name[] = "ffdhe8192";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0),
        OSSL_PARAM_construct_end()};
    EVP_PKEY *group = NULL;

    assert(EVP_PKEY_paramgen_init(context) == 1);
    assert(EVP_PKEY_CTX_set_params(context, parameters) == 1);
    assert(EVP_PKEY_paramgen(context, &group) == 1);
    EVP_PKEY_CTX_free(context);
    return group;
}

static SSL_CTX *make_context(const struct server *server, unsigned which)
{
    const struct server_order *order = &server->order;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    assert(context != NULL);
    if (which == 0 && order->more != NULL) {
        SSL_CTX_use_certificate(context, order->more);
        SSL_CTX_use_PrivateKey(context, order->more_key);
    }
    assert(SSL_CTX_use_certificate(context, order->leaves[which]) == 1);
    assert(SSL_CTX_use_PrivateKey(context, order->keys[which]) == 1);
    if (order->intermediate != NULL)
        SSL_CTX_add1_chain_cert(context, order->intermediate);
    if (order->ciphers != NULL) {
        assert(SSL_CTX_set_cipher_list(context, order->ciphers) == 1);
        assert(SSL_CTX_set0_tmp_dh_pkey(context, long_group()) == 1);
    }
    if (order->version != 0)
        SSL_CTX_set_max_proto_version(context, order->version);
    if (order->client_ca != NULL)
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context), order->client_ca);
    if (order->demand_client)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    /* The server's own taste decides which of two identities is shown. */
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
    return context;
}

static void read_request(struct server *server, SSL *ssl, int fd)
{
    size_t used = 0;
    int got;

    memset(server->heard, 0, sizeof server->heard);
    do {
        char *to = server->heard + used;
        size_t room = sizeof server->heard - 1 - used;

        got = ssl != NULL ? SSL_read(ssl, to, (int)room) : (int)recv(fd, to, room, 0);
        used += got > 0 ? (size_t)got : 0;
    } while (got > 0 && strstr(server->heard, "\r\n\r\n") == NULL);
}

static void serve_tls(struct server *server, int fd, unsigned which)
{
    SSL_CTX *context = make_context(server, which);
    SSL *ssl = SSL_new(context);
    const char *name;
    char rest;

    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        snprintf(server->name, sizeof server->name, "%s", name == NULL ? "" : name);
        if (server->order.http != NULL || server->order.answer != NULL) {
            const char *http = server->order.http;

            read_request(server, ssl, fd);
            if (server->order.answer != NULL)
                http = server->order.answer(server->order.arg, server->heard);
            if (http != NULL)
                SSL_write(ssl, http, (int)strlen(http));
        } else if (SSL_read(ssl, &rest, 1) <= 0 && SSL_get_shutdown(ssl) == SSL_RECEIVED_SHUTDOWN &&
                   recv(fd, &rest, 1, 0) == 0)
            server->farewells++;
        else
            server->resets++;
        SSL_shutdown(ssl);
    }
    ERR_clear_error();
    SSL_free(ssl);
    SSL_CTX_free(context);
}

static void serve(struct server *server, int fd, char letter)
{
    const struct server_order *order = &server->order;
    char first;

    if (letter == '-')
        return;
    if (order->preamble != NULL && !order->preamble(fd)) {
        server->broken++;
        return;
    }
    if (order->plain || (order->also_plain && recv(fd, &first, 1, MSG_PEEK) == 1 && first == 'G')) {
        read_request(server, NULL, fd);
        if (order->http != NULL)
            say(fd, order->http, strlen(order->http));
        return;
    }
    serve_tls(server, fd, letter == 'B');
}

static void *run(void *arg)
{
    struct server *server = arg;
    struct pollfd polled[2] = {{.fd = server->fd, .events = POLLIN},
                               {.fd = server->stop[0], .events = POLLIN}};
    const char *at = server->order.script;

    while (poll(polled, 2, -1) > 0 && polled[1].revents == 0) {
        const int yes = 1;
        int fd = accept(server->fd, NULL, NULL);

        if (fd < 0)
            continue;
        set_time_limit(fd);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        server->connections++;
        serve(server, fd, *at);
        close(fd);
        if (at[1] != '\0')
            at++;
    }
    return NULL;
}

/* -- all of them ----------------------------------------------------------------------------------
 */

static int listen_on(const struct server_order *order, char port[static 8])
{
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    socklen_t length = sizeof inet;
    int fd = socket(order->path == NULL ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r;

    if (order->path == NULL) {
        r = bind(fd, (struct sockaddr *)&inet, sizeof inet);
        getsockname(fd, (struct sockaddr *)&inet, &length);
        snprintf(port, 8, "%u", ntohs(inet.sin_port));
    } else {
        snprintf(local.sun_path, sizeof local.sun_path, "%s", order->path);
        r = bind(fd, (struct sockaddr *)&local, sizeof local);
    }
    assert(r == 0);
    r = listen(fd, 16);
    assert(r == 0);
    return fd;
}

void server_start(struct server *server, const struct server_order *order)
{
    int r;

    memset(server, 0, sizeof *server);
    server->order = *order;
    if (server->order.script == NULL)
        server->order.script = "A";
    server->fd = listen_on(order, server->port);
    r = pipe(server->stop);
    assert(r == 0);
    r = pthread_create(&server->thread, NULL, run, server);
    assert(r == 0);
}

void server_stop(struct server *server)
{
    (void)!write(server->stop[1], "x", 1);
    pthread_join(server->thread, NULL);
    close(server->fd);
    close(server->stop[0]);
    close(server->stop[1]);
    if (server->order.path != NULL)
        unlink(server->order.path);
}
