#include "http/http_call.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hide.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    CLOCK_SET_MS = 1000
}; /* a larger difference between wall and boot clock during a request means that the clock was set
    */

DEFINE_CLEANUP(cleanup_url, CURLU *, curl_url_cleanup)
DEFINE_CLEANUP(cleanup_curl_text, char *, curl_free)
DEFINE_CLEANUP(cleanup_names, GENERAL_NAMES *, GENERAL_NAMES_free)

/* -- what a failure, and a Retry-After, mean for the next try
 * ---------------------------------------
 */

/* Obsolete codes, and those of other protocols, get the default. */
static const struct meaning {
    CURLcode code;
    enum err_kind kind;
} meanings[] = {
    {CURLE_OK, ERR_NONE},
    /* The server is not trusted, or sends an invalid reply. */
    {CURLE_PEER_FAILED_VERIFICATION, ERR_UNTRUSTED},
    {CURLE_SSL_ISSUER_ERROR, ERR_UNTRUSTED},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, ERR_UNTRUSTED},
    {CURLE_SSL_INVALIDCERTSTATUS, ERR_UNTRUSTED},
    {CURLE_WRITE_ERROR, ERR_UNTRUSTED}, /* from our callback: the reply is over its limit */
    {CURLE_FILESIZE_EXCEEDED, ERR_UNTRUSTED},
    /* This machine's files, memory and libraries. */
    {CURLE_OUT_OF_MEMORY, ERR_LOCAL},
    {CURLE_FAILED_INIT, ERR_LOCAL},
    {CURLE_NOT_BUILT_IN, ERR_LOCAL},
    {CURLE_BAD_FUNCTION_ARGUMENT, ERR_LOCAL},
    {CURLE_UNKNOWN_OPTION, ERR_LOCAL},
    {CURLE_READ_ERROR, ERR_LOCAL},
    {CURLE_ABORTED_BY_CALLBACK, ERR_LOCAL},
    {CURLE_SSL_CERTPROBLEM, ERR_LOCAL},
    {CURLE_SSL_CACERT_BADFILE, ERR_LOCAL},
    {CURLE_SSL_CRL_BADFILE, ERR_LOCAL},
    {CURLE_SSL_CIPHER, ERR_LOCAL},
    {CURLE_SSL_ENGINE_NOTFOUND, ERR_LOCAL},
    {CURLE_SSL_ENGINE_SETFAILED, ERR_LOCAL},
    {CURLE_SSL_ENGINE_INITFAILED, ERR_LOCAL},
    /* The configured address. */
    {CURLE_URL_MALFORMAT, ERR_REFUSED},
    {CURLE_UNSUPPORTED_PROTOCOL, ERR_REFUSED},
};

enum err_kind http_class_of(CURLcode code)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].code == code)
            return meanings[i].kind;
    return ERR_TRANSIENT;
}

uint32_t http_retry_after_s(const char *value, uint64_t now_s)
{
    uint64_t seconds = 0;
    time_t date;

    if (isdigit((unsigned char)*value)) {
        /* Try digits first: curl_getdate would take eight of them for a date. */
        for (; isdigit((unsigned char)*value) && seconds <= UINT32_MAX; value++)
            seconds = seconds * 10 + (uint64_t)(*value - '0');
        if (seconds <= UINT32_MAX && *value != '\0')
            return 0;
    } else if (isalpha((unsigned char)*value)) {
        date = curl_getdate(value, NULL);
        seconds = date > 0 && (uint64_t)date > now_s ? (uint64_t)date - now_s : 0;
    }
    return seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
}

/* -- the call -----------------------------------------------------------------------------------
 */

struct http_call {
    struct slot slot;
    struct http_transfer transfer;
    struct http_loop *loop;
    struct slot *reading;    /* of the files of TLS; before the transfer */
    struct tls_files *files; /* which libcurl borrows */
    struct http_response *response;
    const char *operation;
    struct curl_slist *headers, *connect_to;
    struct bytes body;
    bool too_large, no_memory;        /* why the reply could not be stored */
    uint64_t began_ms, began_boot_ms; /* on the wall clock, and on the boot clock */
    uint64_t sent_boot_ms,
        replied_boot_ms; /* of the request's first byte and the reply's last header */
    char error[CURL_ERROR_SIZE];
    char whom[2 * HTTP_LOCATION_BYTES]; /* the server's name and the trust store, for texts */
};

void http_response_free(struct http_response *response)
{
    bytes_free(&response->body);
    *response = (struct http_response){.body.limit = HTTP_REPLY_MOST_BYTES};
}

static void destroy_call(struct slot *slot)
{
    struct http_call *call = (struct http_call *)slot;

    http_loop_remove(&call->transfer);
    curl_easy_cleanup(call->transfer.easy);
    slot_drop(call->reading);
    tls_files_unref(call->files);
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->connect_to);
    bytes_free(&call->body);
    slot_free(slot);
}

/* The CA's certificate may be valid: a machine that has just booted may have a wrong clock. */
static const char *advise(const struct http_call *call, CURLcode how)
{
    long found = X509_V_OK;

    if (how != CURLE_PEER_FAILED_VERIFICATION)
        return "";
    curl_easy_getinfo(call->transfer.easy, CURLINFO_SSL_VERIFYRESULT, &found);
    if (found == X509_V_ERR_HOSTNAME_MISMATCH)
        return "; the server's certificate has neither a DNS name nor an IP address as "
               "subjectAltName, and its common name is not used (RFC 9525); have a certificate "
               "issued with the server's name as subjectAltName";
    return found == X509_V_ERR_CERT_NOT_YET_VALID || found == X509_V_ERR_CERT_HAS_EXPIRED
               ? "; check this machine's clock"
               : "";
}

/* -- who the server is ----------------------------------------------------------------------------
 */

static bool names_a_host(const X509 *certificate)
{
    CLEANUP(cleanup_names)
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        int type = sk_GENERAL_NAME_value(names, i)->type;

        if (type == GEN_DNS || type == GEN_IPADD)
            return true;
    }
    return false;
}

/*
 * If a certificate has no such name, libcurl compares the common name, which RFC 9525 section 2
 * forbids: it may hold any text. libcurl never verifies names through OpenSSL, so this error code
 * comes only from here.
 */
static int on_verified(int good, X509_STORE_CTX *store)
{
    if (!good || X509_STORE_CTX_get_error_depth(store) != 0 ||
        names_a_host(X509_STORE_CTX_get_current_cert(store)))
        return good;
    X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
    return 0;
}

static CURLcode on_tls_context(CURL *easy, void *context, void *arg)
{
    const struct http_call *call = arg;

    (void)easy;
    if (call->files->cas != NULL)
        SSL_CTX_set1_cert_store(context, call->files->cas);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verified);
    return CURLE_OK;
}

static void describe(const struct http_call *call, CURLcode how, struct err *err)
{
    char said[CURL_ERROR_SIZE];
    long errnum = 0;

    hide_foreign(said, sizeof said, call->error[0] == '\0' ? curl_easy_strerror(how) : call->error);
    if (call->too_large)
        err_set(err, ERR_UNTRUSTED, "the reply is larger than %zu bytes",
                call->response->body.limit);
    else if (call->no_memory)
        err_memory(err);
    else
        err_set(err, http_class_of(how), "%s%s", said, advise(call, how));
    if (how == CURLE_PEER_FAILED_VERIFICATION || how == CURLE_SSL_CONNECT_ERROR ||
        how == CURLE_SSL_ISSUER_ERROR)
        err_append(err, "; %s", call->whom);
    if (how == CURLE_COULDNT_CONNECT) {
        curl_easy_getinfo(call->transfer.easy, CURLINFO_OS_ERRNO, &errnum);
        err->errnum = (int)errnum;
    }
}

/* Reports the server's time, unless our clock was set during the request. */
static void tell_date(struct http_call *call)
{
    CURL *easy = call->transfer.easy;
    uint64_t now_ms = clock_now_ms(), boot_ms = clock_boot_us() / 1000;
    struct curl_header *header;
    struct http_dated dated;
    time_t date;

    if (curl_easy_header(easy, "Date", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return;
    date = curl_getdate(header->value, NULL);
    if (date > 0)
        call->response->date_s = (uint64_t)date;
    if (date < 0 || llabs((int64_t)(now_ms - call->began_ms) -
                          (int64_t)(boot_ms - call->began_boot_ms)) > CLOCK_SET_MS)
        return;
    dated = (struct http_dated){
        .date_s = (uint64_t)date,
        .received_ms = now_ms - (boot_ms - call->replied_boot_ms),
        .took_ms = call->replied_boot_ms - call->sent_boot_ms,
    };
    http_loop_tell_date(call->transfer.loop, &dated);
}

static uint32_t retry_after(CURL *easy)
{
    uint64_t now_s = clock_now_s();
    struct curl_header *header;
    time_t date;

    if (curl_easy_header(easy, "Date", 0, CURLH_HEADER, -1, &header) == CURLHE_OK) {
        date = curl_getdate(header->value, NULL);
        if (date > 0)
            now_s = (uint64_t)date;
    }
    if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return 0;
    return http_retry_after_s(header->value, now_s);
}

static void on_ended(struct http_transfer *transfer, CURLcode how)
{
    struct http_call *call =
        (struct http_call *)((char *)transfer - offsetof(struct http_call, transfer));
    struct http_response *response = call->response;
    const char *location = NULL;
    long status = 0;
    struct err err;

    http_loop_tell_call(transfer, call->operation, how);
    if (how != CURLE_OK) {
        describe(call, how, &err);
        slot_finish(&call->slot, &err);
        return;
    }
    tell_date(call);
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &location);
    response->status = (int)status;
    http_loop_note_reply(transfer->loop, response->status);
    response->retry_after_s = retry_after(transfer->easy);
    if (location != NULL && strlen(location) < sizeof response->location)
        memcpy(response->location, location, strlen(location) + 1);
    slot_finish(&call->slot, NULL);
}

/*
 * CURLINFO_STARTTRANSFER_TIME does not measure the reply: with HTTP/2 it is the time when the body
 * of a POST began to be sent, so a slow CA would seem to answer at once.
 */
static int on_sending(void *arg, char *their_ip, char *our_ip, int their_port, int our_port)
{
    struct http_call *call = arg;

    (void)their_ip;
    (void)our_ip;
    (void)their_port;
    (void)our_port;
    call->sent_boot_ms = clock_boot_us() / 1000;
    return CURL_PREREQFUNC_OK;
}

/* A 100 or 103 has no Date: only the last header block counts. */
static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct http_call *call = arg;

    if (size * count >= 5 && memcmp(line, "HTTP/", 5) == 0)
        call->replied_boot_ms = clock_boot_us() / 1000;
    return size * count;
}

static size_t on_body(char *part, size_t size, size_t count, void *arg)
{
    struct http_call *call = arg;

    struct bytes *body = &call->response->body;

    if (bytes_add(body, part, size * count))
        return size * count;
    call->too_large = size * count > body->limit - body->length;
    call->no_memory = !call->too_large;
    return 0;
}

static bool add_header(struct http_call *call, const char *header)
{
    struct curl_slist *longer = curl_slist_append(call->headers, header);

    if (longer != NULL)
        call->headers = longer;
    return longer != NULL;
}

static bool add_token(struct http_call *call, const struct secret *token, struct err *err)
{
    static const char name[] = "X-Vault-Token: ";
    CLEANUP(bytes_free) struct bytes header = {.limit = sizeof name + token->length};

    if (!bytes_add(&header, name, sizeof name - 1) ||
        !bytes_add(&header, secret_expose(token), token->length) ||
        !add_header(call, bytes_text(&header)))
        return err_memory(err);
    return true;
}

/* libcurl copies the text; without the check, running out of memory would silently leave the option
 * unset. */
static bool set_text(CURL *easy, CURLoption option, const char *text)
{
    return curl_easy_setopt(easy, option, text) == CURLE_OK;
}

static bool set_headers(struct http_call *call, const struct http_request *request, struct err *err)
{
    for (const char *const *header = request->headers; *header != NULL; header++)
        if (!add_header(call, *header))
            return err_memory(err);
    if (request->token != NULL && !add_token(call, request->token, err))
        return false;
    if (request->body != NULL && !add_header(call, "Content-Type: application/json"))
        return err_memory(err);
    curl_easy_setopt(call->transfer.easy, CURLOPT_HTTPHEADER, call->headers);
    return true;
}

/*
 * Verifies `name` while connecting to the URL's own host: libcurl verifies the host of the URL, so
 * the URL gets `name`, and CONNECT_TO and Host name the real host.
 */
static bool set_server_name(struct http_call *call, const char *url, const char *name,
                            struct err *err)
{
    CLEANUP(cleanup_url) CURLU *parts = curl_url();
    CLEANUP(cleanup_curl_text) char *host = NULL;
    CLEANUP(cleanup_curl_text) char *port = NULL;
    CLEANUP(cleanup_curl_text) char *changed = NULL;
    char text[2 * HTTP_LOCATION_BYTES];

    if (parts == NULL || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        curl_url_set(parts, CURLUPART_HOST, name, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_URL, &changed, 0) != CURLUE_OK)
        return err_set(err, ERR_REFUSED, "the CA's address or tls_server_name is no host name");
    snprintf(text, sizeof text, "%s:%s:%s:%s", name, port, host, port);
    call->connect_to = curl_slist_append(NULL, text);
    snprintf(text, sizeof text, "Host: %s:%s", host, port);
    if (call->connect_to == NULL || !add_header(call, text))
        return err_memory(err);
    curl_easy_setopt(call->transfer.easy, CURLOPT_CONNECT_TO, call->connect_to);
    return set_text(call->transfer.easy, CURLOPT_URL, changed) || err_memory(err);
}

static bool set_trust(struct http_call *call, const struct http_peer *peer)
{
    CURL *easy = call->transfer.easy;

    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, call);
    if (curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls_context) != CURLE_OK)
        return false;
    /* libcurl would open a path on the loop; what is not set is the path of the system's store. */
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
    /* "" keeps libcurl from reading https_proxy and no_proxy of the environment. */
    return set_text(easy, CURLOPT_NOPROXY, "") &&
           set_text(easy, CURLOPT_PROXY, peer->proxy == NULL ? "" : peer->proxy);
}

static const char *ca_key_of(const struct http_peer *peer)
{
    return peer->ca_key == NULL ? "ca_file" : peer->ca_key;
}

/* Notes the URL without its path, the name that the certificate must have, and the trust store. */
static void note_whom(struct http_call *call, const struct http_request *request)
{
    const struct http_peer *peer = request->peer;
    const char *host = strstr(request->url, "://");
    size_t length = host == NULL ? 0 : strcspn(host + 3, "/") + (size_t)(host + 3 - request->url);
    const bool is_system = peer->ca_file == NULL && peer->ca_path == NULL;
    const char *trust = peer->ca_file != NULL ? peer->ca_file : peer->ca_path;

    snprintf(call->whom, sizeof call->whom, "the server is %.*s%s%s, verified with %s%s %s",
             (int)length, request->url, peer->tls_server_name == NULL ? "" : " by the name ",
             peer->tls_server_name == NULL ? "" : peer->tls_server_name,
             is_system ? "the system's CAs, since " : "",
             peer->ca_path != NULL && peer->ca_file == NULL ? "ca_path" : ca_key_of(peer),
             is_system ? "is not set" : trust);
}

static bool set_limits(CURL *easy, const struct http_peer *peer)
{
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* Without it, ending a transfer waits for name servers that do not answer (curl#8515). */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)peer->timeout_s);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)peer->connect_timeout_s);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, peer->own_connection ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, peer->own_connection ? 1L : 0L);
    /* Wait for a connection that can be shared instead of opening another one. */
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, peer->own_connection ? 0L : 1L);
    return set_text(easy, CURLOPT_UNIX_SOCKET_PATH, peer->unix_socket) &&
           set_text(easy, CURLOPT_PROTOCOLS_STR, peer->plain ? "http,https" : "https");
}

static bool set_request(struct http_call *call, const struct http_request *request, struct err *err)
{
    CURL *easy = call->transfer.easy;

    if (!set_text(easy, CURLOPT_URL, request->url) ||
        !set_text(easy, CURLOPT_USERAGENT, "leafd/" LEAFD_VERSION) ||
        !set_text(easy, CURLOPT_CUSTOMREQUEST, request->method) ||
        !set_trust(call, request->peer) || !set_limits(easy, request->peer))
        return err_memory(err);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_sending);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    if (request->body != NULL) {
        call->body.limit = request->body->length;
        if (!bytes_add(&call->body, bytes_text(request->body), request->body->length))
            return err_memory(err);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.length);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, bytes_text(&call->body));
    }
    if (request->peer->tls_server_name != NULL &&
        !set_server_name(call, request->url, request->peer->tls_server_name, err))
        return false;
    return set_headers(call, request, err);
}

/* libcurl borrows the content: it lives until the handle is gone, and the key has no other copy. */
static bool set_content(CURL *easy, CURLoption option, const char *content, size_t length)
{
    struct curl_blob blob = {.data = (void *)content, .len = length, .flags = CURL_BLOB_NOCOPY};

    return length == 0 || curl_easy_setopt(easy, option, &blob) == CURLE_OK;
}

/*
 * libcurl keeps a copy of ca_text with each connection, and uses the connection for other calls of
 * the same text only: so the text has the stamp of all files. Beside a shared store it has only one
 * certificate of it, without which some builds of libcurl would read the system's (--with-ca-
 * fallback). A proxy with https has a context of its own, and on_tls_context cannot tell them
 * apart: then there is no shared store.
 */
static bool set_files(CURL *easy, const struct tls_files *files)
{
    const struct bytes *cas = &files->ca_text, *proxy = &files->proxy_text;
    const struct bytes *own = &files->certificate;

    return set_content(easy, CURLOPT_CAINFO_BLOB, bytes_text(cas), cas->length) &&
           set_content(easy, CURLOPT_PROXY_CAINFO_BLOB, bytes_text(proxy), proxy->length) &&
           set_content(easy, CURLOPT_SSLCERT_BLOB, bytes_text(own), own->length) &&
           (files->key.length == 0 ||
            set_content(easy, CURLOPT_SSLKEY_BLOB, secret_expose(&files->key), files->key.length));
}

static bool begin_transfer(struct http_call *call, struct err *err)
{
    call->began_ms = clock_now_ms();
    call->began_boot_ms = clock_boot_us() / 1000;
    call->sent_boot_ms = call->replied_boot_ms = call->began_boot_ms;
    return http_loop_add(call->loop, &call->transfer, err);
}

static void on_files(void *arg, const struct err *read_err)
{
    struct http_call *call = arg;
    struct err err = *read_err;

    if (err.kind == ERR_NONE)
        call->files = tls_files_take(call->reading);
    call->reading = slot_drop(call->reading);
    if (err.kind == ERR_NONE && !set_files(call->transfer.easy, call->files))
        err_memory(&err);
    if (err.kind != ERR_NONE || !begin_transfer(call, &err))
        slot_finish(&call->slot, &err);
}

/* A transfer with TLS begins when its files have been read. */
static bool begin(struct http_call *call, const struct http_request *request, struct err *err)
{
    const struct http_peer *peer = request->peer;
    const struct tls_names names = {
        .ca_file = peer->ca_file,
        .ca_path = peer->ca_path,
        .ca_key = ca_key_of(peer),
        .client_certificate = peer->client_certificate,
        .client_key = peer->client_key,
        .has_proxy = peer->proxy != NULL && strncasecmp(peer->proxy, "https:", 6) == 0,
    };

    if (peer->plain && strncasecmp(request->url, "http:", 5) == 0)
        return begin_transfer(call, err);
    call->reading =
        tls_files_start(http_loop_tls(call->loop), &names, peer->timeout_s, on_files, call, err);
    return call->reading != NULL;
}

struct slot *http_call_start(struct http_loop *loop, const struct http_request *request,
                             struct http_response *ret_response, slot_done *on_done, void *arg,
                             struct err *err)
{
    struct http_call *call =
        slot_new(sizeof *call, http_loop_event(loop), destroy_call, on_done, arg, err);

    if (call == NULL)
        return NULL;
    http_response_free(ret_response);
    call->response = ret_response;
    call->operation = request->operation;
    if (request->reply_most_bytes != 0)
        ret_response->body.limit = request->reply_most_bytes;
    note_whom(call, request);
    call->loop = loop;
    call->transfer.on_ended = on_ended;
    call->transfer.own_connection = request->peer->own_connection;
    call->transfer.easy = curl_easy_init();
    if (call->transfer.easy == NULL) {
        err_memory(err);
    } else if (set_request(call, request, err) && begin(call, request, err)) {
        return &call->slot;
    }
    destroy_call(&call->slot);
    return NULL;
}

struct slot *http_admin_start(struct http_loop *loop, const struct http_admin_order *order,
                              struct http_response *ret_response, slot_done *on_done, void *arg,
                              struct err *err)
{
    const struct http_peer peer = {
        .ca_file = order->trust_anchor,
        .ca_key = "trust_anchor",
        .timeout_s = order->limit_s,
        .connect_timeout_s = order->limit_s,
        .unix_socket = order->unix_socket,
        .plain = true,
        .own_connection = true,
    };
    /* Without Content-Length some servers answer 411 to a method that usually has a body. */
    const bool bodiless = strcmp(order->method, "GET") == 0 || strcmp(order->method, "DELETE") == 0;
    const struct http_request request = {
        .peer = &peer,
        .method = order->method,
        .url = order->url,
        .headers = {bodiless ? NULL : "Content-Length: 0"},
    };

    return http_call_start(loop, &request, ret_response, on_done, arg, err);
}
