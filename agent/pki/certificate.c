#include "pki/certificate.h"

#include "pki/crypto.h"

#include <openssl/pem.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <time.h>

bool certificate_moment(const ASN1_TIME *time, uint64_t *ret_moment)
{
    struct tm parts;
    time_t moment;

    if (ASN1_TIME_to_tm(time, &parts) != 1)
        return false;
    moment = timegm(&parts);
    *ret_moment = moment < 0 ? 0 : (uint64_t)moment;
    return true;
}

/* The serial number as pairs of hex digits, separated by colons. */
static bool write_serial(const X509 *certificate, char to[static SERIAL_TEXT_BYTES])
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    const unsigned char *octets = ASN1_STRING_get0_data(serial);
    int length = ASN1_STRING_length(serial);
    size_t used = 0;

    if (length <= 0 || (size_t)length * 3 > SERIAL_TEXT_BYTES)
        return false;
    for (int i = 0; i < length; i++)
        used += (size_t)snprintf(to + used, SERIAL_TEXT_BYTES - used, "%s%02x", i == 0 ? "" : ":",
                                 octets[i]);
    return true;
}

/* In hex; "" if there is none, or it is too long. */
static void identifier_text(const ASN1_OCTET_STRING *identifier,
                            char to[static KEY_IDENTIFIER_BYTES])
{
    const unsigned char *octets = identifier == NULL ? NULL : ASN1_STRING_get0_data(identifier);
    int length = identifier == NULL ? 0 : ASN1_STRING_length(identifier);

    to[0] = '\0';
    for (int i = 0; i < length && length * 2 < KEY_IDENTIFIER_BYTES; i++)
        snprintf(to + 2 * (ptrdiff_t)i, 3, "%02x", octets[i]);
}

static const char *copy_string(struct arena *arena, const ASN1_STRING *string, bool lower)
{
    const char *data = (const char *)ASN1_STRING_get0_data(string);
    size_t length = (size_t)ASN1_STRING_length(string);
    char *copy;

    if (memchr(data, '\0', length) != NULL)
        return NULL;
    copy = arena_copy_part(arena, data, length);
    for (char *at = copy; lower && at != NULL && *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    return copy;
}

static const char *copy_ip(struct arena *arena, const ASN1_OCTET_STRING *octets)
{
    int length = ASN1_STRING_length(octets);
    char text[INET6_ADDRSTRLEN];

    if (length != 4 && length != 16)
        return NULL;
    if (inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(octets), text,
                  sizeof text) == NULL)
        return NULL;
    return arena_copy(arena, text);
}

/* Adds one alternative name to the list of its kind; false if it cannot be represented. */
static bool take_name(struct certificate_facts *facts, struct arena *arena,
                      const GENERAL_NAME *name)
{
    int type;
    const void *value = GENERAL_NAME_get0_value(name, &type);
    struct text_list *list;
    const char *text;

    switch (type) {
    case GEN_DNS:
        list = &facts->names.dns;
        text = copy_string(arena, value, true);
        break;
    case GEN_IPADD:
        list = &facts->names.ip;
        text = copy_ip(arena, value);
        break;
    case GEN_URI:
        list = &facts->names.uri;
        text = copy_string(arena, value, false);
        break;
    case GEN_EMAIL:
        list = &facts->names.email;
        text = copy_string(arena, value, false);
        break;
    default:
        facts->other_names++;
        return true;
    }
    return text != NULL && text_list_add(list, arena, text, strlen(text));
}

static bool take_names(const X509 *certificate, struct arena *arena,
                       struct certificate_facts *facts)
{
    CLEANUP(cleanup_general_names) GENERAL_NAMES *names = NULL;
    int found = 0;

    names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &found, NULL);
    if (names == NULL)
        return found == -1; /* -1: no such extension; other values: it is repeated or damaged */
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        if (!take_name(facts, arena, sk_GENERAL_NAME_value(names, i)))
            return false;
    return true;
}

const char *certificate_name(const X509_NAME *name, struct arena *arena)
{
    CLEANUP(cleanup_bio) BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long length;

    if (bio == NULL || X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) < 0)
        return NULL;
    length = BIO_get_mem_data(bio, &text);
    return arena_copy_part(arena, length > 0 ? text : "", (size_t)length);
}

/* Adds one attribute of the subject other than the common name, in the form of the key
 * `subject`. */
static bool take_subject_part(const X509_NAME_ENTRY *entry, struct arena *arena,
                              struct text_list *list)
{
    const ASN1_OBJECT *object = X509_NAME_ENTRY_get_object(entry);
    int nid = OBJ_obj2nid(object);
    unsigned char *value = NULL;
    int length = ASN1_STRING_to_UTF8(&value, X509_NAME_ENTRY_get_data(entry));
    char type[64];
    const char *part;

    if (nid == NID_undef)
        OBJ_obj2txt(type, sizeof type, object, 1);
    else
        snprintf(type, sizeof type, "%s", OBJ_nid2sn(nid));
    /* The text is only shown. An unreadable value becomes an empty one. */
    part = arena_format(arena, "%s=%.*s", type, length < 0 ? 0 : length,
                        length < 0 ? "" : (const char *)value);
    OPENSSL_free(value);
    return part != NULL && text_list_add(list, arena, part, strlen(part));
}

static bool take_subject(const X509 *certificate, struct arena *arena,
                         struct certificate_facts *facts)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (at >= 0) {
        facts->names.common_name =
            copy_string(arena, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), false);
        if (facts->names.common_name == NULL)
            return false;
    }
    for (int i = 0; i < X509_NAME_entry_count(subject); i++)
        if (i != at &&
            !take_subject_part(X509_NAME_get_entry(subject, i), arena, &facts->names.subject))
            return false;
    facts->issuer = certificate_name(X509_get_issuer_name(certificate), arena);
    return facts->issuer != NULL;
}

static bool take_fingerprint(const X509 *certificate, char to[static DIGEST_HEX_BYTES],
                             struct err *err)
{
    struct digest digest = {0};
    unsigned char *der = NULL;
    int length = i2d_X509(certificate, &der);

    if (length <= 0)
        return crypto_failed(err, ERR_LOCAL, "encode a certificate");
    digest_add(&digest, der, (size_t)length);
    OPENSSL_free(der);
    return digest_hex(&digest, to, err);
}

static void take_key_identifiers(const X509 *certificate, struct certificate_facts *facts)
{
    AUTHORITY_KEYID *authority =
        X509_get_ext_d2i(certificate, NID_authority_key_identifier, NULL, NULL);

    identifier_text(authority == NULL ? NULL : authority->keyid, facts->authority_key);
    AUTHORITY_KEYID_free(authority);
    identifier_text(X509_get0_subject_key_id((X509 *)certificate), facts->subject_key);
}

bool certificate_validity(const X509 *certificate, struct validity *ret_validity)
{
    return certificate_moment(X509_get0_notBefore(certificate), &ret_validity->not_before) &&
           certificate_moment(X509_get0_notAfter(certificate), &ret_validity->not_after);
}

bool certificate_facts_of(const X509 *certificate, struct arena *arena,
                          struct certificate_facts *ret_facts, struct err *err)
{
    struct certificate_facts facts = {0};

    if (!certificate_validity(certificate, &facts.validity))
        return err_set(err, ERR_UNTRUSTED, "the certificate's validity cannot be read");
    if (!write_serial(certificate, facts.serial))
        return err_set(err, ERR_UNTRUSTED, "the certificate's serial number cannot be read");
    if (!take_subject(certificate, arena, &facts) || !take_names(certificate, arena, &facts))
        return err_set(err, ERR_UNTRUSTED, "the certificate's names cannot be read");
    if (!take_fingerprint(certificate, facts.fingerprint, err))
        return false;
    take_key_identifiers(certificate, &facts);
    *ret_facts = facts;
    return true;
}

static X509 *read_one(const char *pem)
{
    CLEANUP(cleanup_bio) BIO *bio = BIO_new_mem_buf(pem, -1);

    return bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, crypto_no_password, NULL);
}

bool certificate_read(const char *pem, struct arena *arena, struct certificate_facts *ret_facts,
                      struct err *err)
{
    CLEANUP(cleanup_x509) X509 *certificate = read_one(pem);

    if (certificate == NULL)
        return crypto_failed(err, ERR_UNTRUSTED, "read a certificate");
    return certificate_facts_of(certificate, arena, ret_facts, err);
}

const char *certificate_subject(const char *pem, struct arena *arena)
{
    CLEANUP(cleanup_x509) X509 *certificate = read_one(pem);

    return certificate == NULL ? NULL : certificate_name(X509_get_subject_name(certificate), arena);
}

/* Whether the extension says where an OCSP responder is. */
static bool names_responder(const X509 *certificate)
{
    STACK_OF(OPENSSL_STRING) *urls = X509_get1_ocsp((X509 *)certificate);
    bool some = sk_OPENSSL_STRING_num(urls) > 0;

    X509_email_free(urls);
    return some;
}

bool certificate_limits_read(const char *pem, struct certificate_limits *ret_limits,
                             struct err *err)
{
    CLEANUP(cleanup_x509) X509 *certificate = read_one(pem);

    if (certificate == NULL)
        return crypto_failed(err, ERR_UNTRUSTED, "read a certificate");
    *ret_limits = (struct certificate_limits){
        .is_self_issued = X509_NAME_cmp(X509_get_subject_name(certificate),
                                        X509_get_issuer_name(certificate)) == 0,
        .has_name_constraints = X509_get_ext_by_NID(certificate, NID_name_constraints, -1) >= 0,
        .has_path_length = X509_get_pathlen(certificate) >= 0,
        .has_revocation_address =
            X509_get_ext_by_NID(certificate, NID_crl_distribution_points, -1) >= 0 ||
            names_responder(certificate),
        .key_strength_bits = EVP_PKEY_get_security_bits(X509_get0_pubkey(certificate)),
    };
    return true;
}

bool certificate_to_der(const char *pem, struct bytes *der, struct err *err)
{
    CLEANUP(cleanup_x509) X509 *certificate = read_one(pem);
    unsigned char *encoded = NULL;
    int length = certificate == NULL ? -1 : i2d_X509(certificate, &encoded);
    bool added;

    if (length <= 0)
        return crypto_failed(err, ERR_LOCAL, "encode a certificate");
    added = bytes_add(der, encoded, (size_t)length);
    OPENSSL_free(encoded);
    return added || err_memory(err);
}

bool certificate_has_key(const char *pem, const EVP_PKEY *key, struct err *err)
{
    CLEANUP(cleanup_x509) X509 *certificate = read_one(pem);

    if (certificate == NULL)
        return crypto_failed(err, ERR_LOCAL, "read a certificate");
    if (EVP_PKEY_eq(X509_get0_pubkey(certificate), key) == 1)
        return true;
    return err_set(err, ERR_LOCAL, "the certificate and the key do not belong together");
}
