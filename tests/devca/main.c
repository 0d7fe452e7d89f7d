/*
 * main - devca: a throw-away CA that answers as Vault does, for tests and the demo
 *
 * Everything it knows is made at start and gone at the end.
 */
#include "base/clock.h"
#include "base/text.h"
#include "config/config_problems.h"

#include "asked.h"
#include "devca.h"
#include "furnish.h"
#include "mint.h"
#include "must.h"
#include "owned.h"
#include "pem.h"
#include "server.h"

#include <openssl/pem.h>

#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_USAGE = 2, SERVER_LIFE_S = 365 * 86400, PORT_MOST = 65535 };

struct options {
    struct sockaddr_in listen;
    char host[INET_ADDRSTRLEN];
    const char *directory, *roles, *jwt_key, *audience;
};

static const char usage[] =
    "devca --directory DIR [--listen ADDRESS:PORT] [--roles FILE] [--jwt-key FILE]\n"
    "      [--audience NAME]\n"
    "\n"
    "A throw-away CA that answers the part of Vault's HTTP API that leafd uses.\n"
    "\n"
    "  --directory DIR        where trust, credentials and, last, the file address are written\n"
    "  --listen ADDRESS:PORT  IPv4, port 0 is any [127.0.0.1:0]\n"
    "  --roles FILE           an INI file of [role NAME] and [auth NAME]; without it one role\n"
    "                         called leafd allows everything\n"
    "  --jwt-key FILE         the public key of login tokens; without it devca makes a key, and\n"
    "                         a token of demo/app in DIR/token\n"
    "  --audience NAME        the audience of login tokens [vault]\n";

static int refuse(const char *text)
{
    fprintf(stderr, "devca: %s; see devca --help\n", text);
    return EXIT_USAGE;
}

/* -- options ------------------------------------------------------------------------------------
 */

static bool read_address(const char *text, struct options *options)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;

    if (colon == NULL || (size_t)(colon - text) >= sizeof options->host ||
        !text_number(colon + 1, PORT_MOST, &port))
        return false;
    snprintf(options->host, sizeof options->host, "%.*s", (int)(colon - text), text);
    options->listen =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return inet_pton(AF_INET, options->host, &options->listen.sin_addr) == 1;
}

/* Gives -1 to go on, else the exit code. */
static int read_options(int count, char **words, struct options *options)
{
    static const struct option known[] = {
        {"listen", required_argument, NULL, 'l'},
        {"directory", required_argument, NULL, 'd'},
        {"roles", required_argument, NULL, 'r'},
        {"jwt-key", required_argument, NULL, 'j'},
        {"audience", required_argument, NULL, 'a'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    read_address("127.0.0.1:0", options);
    options->audience = "vault";
    while ((option = getopt_long(count, words, "", known, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        }
        if (option == '?')
            return EXIT_USAGE;
        if (option == 'l' && !read_address(optarg, options))
            return refuse("--listen wants an address such as 127.0.0.1:8200");
        if (option == 'd')
            options->directory = optarg;
        if (option == 'r')
            options->roles = optarg;
        if (option == 'j')
            options->jwt_key = optarg;
        if (option == 'a')
            options->audience = optarg;
    }
    if (optind < count)
        return refuse("it takes options only");
    return options->directory == NULL ? refuse("name a --directory") : -1;
}

/* -- start and end ------------------------------------------------------------------------------
 */

static EVP_PKEY *read_key(const char *file)
{
    CLEANUP(drop_bio) BIO *bio = file == NULL ? NULL : BIO_new_file(file, "r");

    if (file == NULL)
        return mint_key("ec", 0);
    return bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
}

/* Gives -1 to go on, else the exit code. */
static int open_devca(struct devca *devca, const struct options *options)
{
    CLEANUP(config_problems_free) struct config_problems problems = {0};

    devca->directory = options->directory;
    devca->audience = options->audience;
    devca->counts = json_object();
    devca->answered = json_object();
    devca->jwt_key = read_key(options->jwt_key);
    roles_read(&devca->roles, options->roles, &problems);
    config_problems_print(&problems, stderr);
    if (problems.count > 0)
        return EXIT_USAGE;
    if (devca->jwt_key == NULL)
        return refuse("--jwt-key wants a file with a public key in PEM");
    draw_uuid(devca->role_id);
    draw_uuid(devca->secret_id);
    draw_uuid(devca->entity_id);
    draw_uuid(devca->cluster_id);
    ca_open(&devca->ca);
    return -1;
}

static void close_devca(struct devca *devca)
{
    faults_clear(&devca->faults);
    ledger_close(&devca->ledger);
    tokens_revoke_all(&devca->tokens);
    odd_close(&devca->odd);
    if (devca->ca.root != NULL)
        ca_close(&devca->ca);
    EVP_PKEY_free(devca->jwt_key);
    json_decref(devca->counts);
    json_decref(devca->answered);
    arena_free(&devca->roles.arena);
}

/* A certificate for the address and for the names of this machine to itself. */
static void make_identity(const struct devca *devca, struct arena *arena, const char *host,
                          struct server_identity *ret_identity)
{
    static const char *const names[] = {"localhost"};
    const char *const addresses[] = {"127.0.0.1", "::1", host};
    size_t count = strcmp(host, "127.0.0.1") == 0 ? 2 : 3;
    const struct asked asked = {.dns = {(const char **)names, 1},
                                .ip = {(const char **)addresses, count}};
    CLEANUP(drop_names) GENERAL_NAMES *alternatives = asked_names(&asked);
    CLEANUP(drop_key) EVP_PKEY *key = mint_key("ec", 0);
    const struct recipe recipe = {
        .common_name = "localhost",
        .key = key,
        .names = alternatives,
        .not_before_s = clock_now_s() - 60,
        .not_after_s = clock_now_s() + SERVER_LIFE_S,
        .key_usage = KU_DIGITAL_SIGNATURE,
        .extended_usage = XKU_SSL_SERVER,
        .issuer = devca->ca.tls->certificate,
        .issuer_key = devca->ca.tls->key,
    };
    CLEANUP(drop_certificate) X509 *certificate = mint_certificate(&recipe);

    ret_identity->certificate = pem_certificate(arena, certificate);
    ret_identity->key = pem_key(arena, key, false);
    ret_identity->client_ca = devca->ca.tls->pem;
}

/* Answers until a signal comes, which every thread has blocked. */
static bool serve(struct devca *devca, const struct options *options, const sigset_t *signals,
                  struct err *err)
{
    struct arena arena = {0};
    struct server_identity identity;
    struct server *server;
    const char *address;
    bool done;
    int signal;

    make_identity(devca, &arena, options->host, &identity);
    server = server_open(devca, &options->listen, &identity, err);
    done = server != NULL && furnish_directory(devca, options->jwt_key == NULL, err);
    if (done) {
        address = arena_format(&arena, "https://%s:%u", options->host, server_port(server));
        MUST(address != NULL);
        printf("a throw-away CA, NOT FOR PRODUCTION: its keys are in memory, its faults at "
               "everybody's call\nit listens on %s; trust and credentials are in %s\n",
               address, devca->directory);
        fflush(stdout);
        done = furnish_address(devca, address, err);
    }
    if (done)
        sigwait(signals, &signal);
    server_close(server);
    arena_free(&arena);
    return done;
}

int main(int count, char **words)
{
    struct options options = {0};
    struct devca devca = {0};
    struct err err = {0};
    sigset_t signals;
    int code = read_options(count, words, &options);

    if (code >= 0)
        return code;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    code = open_devca(&devca, &options);
    if (code < 0) {
        code = serve(&devca, &options, &signals, &err) ? EXIT_SUCCESS : EXIT_FAILURE;
        if (code != EXIT_SUCCESS)
            fprintf(stderr, "devca: %s\n", err.text);
    }
    close_devca(&devca);
    return code;
}
