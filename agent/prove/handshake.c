#include "prove/handshake.h"

#include "pki/crypto.h"

#include <openssl/err.h>

#include <errno.h>
#include <string.h>

/* -- what they share ------------------------------------------------------------------------------
 */

static void keep_sent(const struct handshake *handshake, X509_STORE_CTX *store)
{
    STACK_OF(X509) **ret_sent = handshake->ret_sent;

    if (ret_sent == NULL)
        return;
    sk_X509_pop_free(*ret_sent, X509_free);
    *ret_sent = X509_chain_up_ref(X509_STORE_CTX_get0_untrusted(store));
}

/* Replaces OpenSSL's verification: keeps the leaf and accepts it, unless its key is too long. */
static int note_leaf(X509_STORE_CTX *store, void *arg)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct handshake *handshake = SSL_get_app_data(ssl);
    const X509 *certificate = X509_STORE_CTX_get0_cert(store);
    struct served_leaf *leaf = &handshake->leaf;
    struct certificate_facts facts;
    struct arena arena = {0};
    struct err err;

    (void)arg;
    handshake->too_long = certificate != NULL && !served_key_is_cheap(certificate);
    if (handshake->too_long) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
        return 0;
    }
    keep_sent(handshake, store);
    if (certificate != NULL && certificate_facts_of(certificate, &arena, &facts, &err)) {
        leaf->seen = true;
        leaf->not_after_s = facts.validity.not_after;
        memcpy(leaf->serial, facts.serial, sizeof facts.serial);
        memcpy(leaf->fingerprint, facts.fingerprint, sizeof facts.fingerprint);
    }
    arena_free(&arena);
    return 1;
}

/* OpenSSL refuses a list if the provider lacks one of its groups, as FIPS providers lack X25519. */
static bool take_groups(SSL_CTX *context)
{
    return SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384:P-521:X448") == 1 ||
           SSL_CTX_set1_groups_list(context, "P-256:P-384:P-521") == 1;
}

static SSL_CTX *new_context(struct err *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (context == NULL) {
        crypto_failed(err, ERR_LOCAL, "make a TLS context");
        return NULL;
    }
    if (SSL_CTX_set_cipher_list(context, "ECDHE:!aNULL:!eNULL") != 1 || !take_groups(context)) {
        crypto_failed(err, ERR_LOCAL, "set up key exchange by ECDHE");
        SSL_CTX_free(context);
        return NULL;
    }
    ERR_clear_error();
    SSL_CTX_set_max_cert_list(context, SERVED_MOST_BYTES);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context, note_leaf, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    return context;
}

bool handshakes_hold(struct handshakes *handshakes, struct err *err)
{
    if (handshakes->context == NULL) {
        handshakes->context = new_context(err);
        if (handshakes->context == NULL)
            return false;
    }
    if (handshakes->permits.most == 0)
        semaphore_open(&handshakes->permits, HANDSHAKES_AT_ONCE);
    handshakes->users++;
    return true;
}

void handshakes_release(struct handshakes *handshakes)
{
    if (--handshakes->users > 0)
        return;
    SSL_CTX_free(handshakes->context);
    handshakes->context = NULL;
}

/* -- one connection -------------------------------------------------------------------------------
 */

/* Notes the server's request for a certificate; the connection has the certificate to show already.
 */
static int note_asked(SSL *ssl, void *arg)
{
    struct handshake *handshake = arg;

    (void)ssl;
    handshake->asked = true;
    return 1;
}

static bool take_identity(SSL *ssl, const struct identity *identity)
{
    return identity == NULL || (SSL_use_certificate(ssl, identity->leaf) == 1 &&
                                SSL_set1_chain(ssl, identity->chain) == 1 &&
                                SSL_use_PrivateKey(ssl, identity->key) == 1);
}

bool handshake_begin(struct handshake *handshake, const struct handshakes *handshakes,
                     const struct handshake_order *order, int fd, struct err *err)
{
    SSL *ssl;

    ERR_clear_error();
    *handshake = (struct handshake){.ret_sent = order->ret_sent};
    handshake->ssl = ssl = SSL_new(handshakes->context);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || SSL_set_app_data(ssl, handshake) != 1 ||
        (order->server_name != NULL && SSL_set_tlsext_host_name(ssl, order->server_name) != 1) ||
        (order->signatures != NULL && SSL_set1_sigalgs_list(ssl, order->signatures) != 1))
        return crypto_failed(err, ERR_LOCAL, "begin a TLS connection");
    if (!take_identity(ssl, order->identity))
        return crypto_failed(err, ERR_LOCAL, "show the set's own certificate to the consumer");
    SSL_set_cert_cb(ssl, note_asked, handshake);
    return true;
}

/* Whether the server refused us after it had signed with its leaf's key. */
static bool hung_up(SSL *ssl, int why, unsigned long code)
{
    int reason = ERR_GET_REASON(code), algorithm;

    /* A wrong signature is an error of our side, not one of those below. */
    if (SSL_get_peer_signature_nid(ssl, &algorithm) != 1)
        return false;
    if (why == SSL_ERROR_SYSCALL || why == SSL_ERROR_ZERO_RETURN)
        return true;
    /* OpenSSL reports the server's alerts as reasons from SSL_AD_REASON_OFFSET on. */
    return why == SSL_ERROR_SSL &&
           (reason >= SSL_AD_REASON_OFFSET || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING);
}

static void describe(int why, unsigned long code, int errnum, struct err *err)
{
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    const char *hint = "";

    if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER)
        hint = "; check that the port speaks TLS, or set starttls";
    if (ERR_GET_REASON(code) == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE)
        hint = "; leafd offers key exchange by ECDHE only: check that the server supports it";
    if (why == SSL_ERROR_SYSCALL && errnum != 0)
        err_errno(err, ERR_CONSUMER, errnum, "the TLS handshake failed");
    else
        err_set(err, ERR_CONSUMER, "the TLS handshake failed: %s%s",
                reason == NULL ? "the connection was closed" : reason, hint);
}

enum handshake_step handshake_go_on(struct handshake *handshake, unsigned long *ret_alert,
                                    struct err *err)
{
    int r, why, errnum;
    unsigned long code;

    ERR_clear_error();
    errno = 0;
    *ret_alert = 0;
    r = SSL_connect(handshake->ssl);
    errnum = errno;
    why = SSL_get_error(handshake->ssl, r);
    code = ERR_peek_error();
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return why == SSL_ERROR_WANT_READ ? HANDSHAKE_READS : HANDSHAKE_WRITES;
    if (r == 1 && handshake->leaf.seen)
        return HANDSHAKE_DONE;
    if (r != 1 && handshake->leaf.seen && hung_up(handshake->ssl, why, code)) {
        *ret_alert = code;
        return HANDSHAKE_REFUSED;
    }
    if (r == 1)
        err_set(err, ERR_CONSUMER, "the served certificate cannot be read");
    else if (handshake->too_long)
        err_set(err, ERR_CONSUMER,
                "the server serves another certificate, with an RSA key of more than %d bits or an "
                "exponent of more than %d, which leafd does not verify",
                SERVED_MOST_RSA_BITS, SERVED_MOST_EXPONENT_BITS);
    else
        describe(why, code, errnum, err);
    return HANDSHAKE_FAILED;
}

ssize_t handshake_read(struct handshake *handshake, char *to, size_t room, unsigned long *ret_alert)
{
    int got, why;

    ERR_clear_error();
    *ret_alert = 0;
    got = SSL_read(handshake->ssl, to, (int)room);
    if (got > 0)
        return got;
    why = SSL_get_error(handshake->ssl, got);
    if (why == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_error()) >= SSL_AD_REASON_OFFSET)
        *ret_alert = ERR_peek_error();
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

void handshake_write(struct handshake *handshake, const void *bytes, size_t length)
{
    ERR_clear_error();
    SSL_write(handshake->ssl, bytes, (int)length);
    ERR_clear_error();
}

void handshake_part(struct handshake *handshake)
{
    SSL_shutdown(handshake->ssl);
    ERR_clear_error();
}

void handshake_end(struct handshake *handshake)
{
    SSL_free(handshake->ssl);
    handshake->ssl = NULL;
}
