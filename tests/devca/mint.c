#include "mint.h"

#include "draw.h"
#include "must.h"
#include "owned.h"

#include <string.h>

enum { SERIAL_BYTES = 20 };

EVP_PKEY *mint_key(const char *type, unsigned bits)
{
    EVP_PKEY *key;

    if (strcmp(type, "rsa") == 0)
        key = EVP_RSA_gen(bits);
    else if (strcmp(type, "ed25519") == 0)
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    else
        key = EVP_EC_gen("P-256");
    MUST(key != NULL);
    return key;
}

static void set_serial(X509 *certificate)
{
    unsigned char raw[SERIAL_BYTES];
    CLEANUP(drop_bignum) BIGNUM *number = NULL;

    draw_bytes(raw, sizeof raw);
    raw[0] &= 0x7f; /* positive: RFC 5280 section 4.1.2.2 */
    number = BN_bin2bn(raw, sizeof raw, NULL);
    MUST(number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL);
}

static void set_time(X509 *certificate, uint64_t moment_s, int (*set)(X509 *, const ASN1_TIME *))
{
    CLEANUP(drop_time) ASN1_TIME *moment = ASN1_TIME_set(NULL, (time_t)moment_s);

    MUST(moment != NULL && set(certificate, moment) == 1);
}

static void add_extension(X509 *certificate, int nid, void *value, bool critical)
{
    MUST(X509_add1_ext_i2d(certificate, nid, value, critical, X509V3_ADD_DEFAULT) == 1);
}

static void add_key_usage(X509 *certificate, uint32_t usage)
{
    CLEANUP(drop_bit_string) ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();

    MUST(bits != NULL);
    for (int i = 0; i < 8; i++)
        if ((usage & (uint32_t)KU_DIGITAL_SIGNATURE >> i) != 0)
            MUST(ASN1_BIT_STRING_set_bit(bits, i, 1) == 1);
    add_extension(certificate, NID_key_usage, bits, true);
}

static void add_extended_usage(X509 *certificate, uint32_t usage)
{
    CLEANUP(drop_extended_usage) EXTENDED_KEY_USAGE *all = EXTENDED_KEY_USAGE_new();

    MUST(all != NULL);
    if ((usage & XKU_SSL_SERVER) != 0)
        MUST(sk_ASN1_OBJECT_push(all, OBJ_nid2obj(NID_server_auth)) > 0);
    if ((usage & XKU_SSL_CLIENT) != 0)
        MUST(sk_ASN1_OBJECT_push(all, OBJ_nid2obj(NID_client_auth)) > 0);
    add_extension(certificate, NID_ext_key_usage, all, false);
}

static void add_basic_constraints(X509 *certificate)
{
    CLEANUP(drop_basic_constraints) BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();

    MUST(constraints != NULL);
    constraints->ca = 0xff;
    add_extension(certificate, NID_basic_constraints, constraints, true);
}

static void add_key_ids(X509 *certificate, X509 *issuer)
{
    CLEANUP(drop_octets) ASN1_OCTET_STRING *own = ASN1_OCTET_STRING_new();
    CLEANUP(drop_authority_key_id) AUTHORITY_KEYID *authority = AUTHORITY_KEYID_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length;

    MUST(own != NULL && authority != NULL &&
         X509_pubkey_digest(certificate, EVP_sha1(), digest, &length) == 1 &&
         ASN1_OCTET_STRING_set(own, digest, (int)length) == 1);
    add_extension(certificate, NID_subject_key_identifier, own, false);
    authority->keyid =
        ASN1_OCTET_STRING_dup(issuer == NULL ? own : X509_get0_subject_key_id(issuer));
    MUST(authority->keyid != NULL);
    add_extension(certificate, NID_authority_key_identifier, authority, false);
}

static void set_subject(X509 *certificate, const char *common_name)
{
    X509_NAME *subject = X509_get_subject_name(certificate);

    MUST(X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                    (const unsigned char *)common_name, -1, -1, 0) == 1);
}

/* In the order in which Vault writes them. */
static void add_extensions(X509 *certificate, const struct recipe *recipe)
{
    add_key_usage(certificate, recipe->key_usage);
    if (recipe->extended_usage != 0)
        add_extended_usage(certificate, recipe->extended_usage);
    if (recipe->is_ca)
        add_basic_constraints(certificate);
    add_key_ids(certificate, recipe->issuer);
    /* Critical where it alone names the subject: RFC 5280 section 4.2.1.6. */
    if (recipe->names != NULL && sk_GENERAL_NAME_num(recipe->names) > 0)
        add_extension(certificate, NID_subject_alt_name, recipe->names,
                      recipe->common_name == NULL);
}

X509 *mint_certificate(const struct recipe *recipe)
{
    X509 *certificate = X509_new();
    EVP_PKEY *signer = recipe->issuer == NULL ? recipe->key : recipe->issuer_key;

    MUST(certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
         X509_set_pubkey(certificate, recipe->key) == 1);
    set_serial(certificate);
    set_time(certificate, recipe->not_before_s, X509_set1_notBefore);
    set_time(certificate, recipe->not_after_s, X509_set1_notAfter);
    if (recipe->common_name != NULL)
        set_subject(certificate, recipe->common_name);
    MUST(X509_set_issuer_name(
             certificate,
             X509_get_subject_name(recipe->issuer == NULL ? certificate : recipe->issuer)) == 1);
    add_extensions(certificate, recipe);
    MUST(X509_sign(certificate, signer, recipe->digest == NULL ? EVP_sha256() : recipe->digest) >
         0);
    return certificate;
}
