#include "csr.h"

#include "must.h"
#include "owned.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <arpa/inet.h>
#include <string.h>

/* Like Vault: the first PEM block, whatever it calls itself and whatever stands before it. */
static X509_REQ *parse(const char *pem, const char **ret_why)
{
    CLEANUP(drop_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
    CLEANUP(drop_openssl) char *name = NULL;
    CLEANUP(drop_openssl) char *header = NULL;
    CLEANUP(drop_openssl) unsigned char *data = NULL;
    const unsigned char *at;
    X509_REQ *request;
    long length;

    MUST(bio != NULL);
    *ret_why = "csr contains no data";
    if (PEM_read_bio(bio, &name, &header, &data, &length) != 1)
        return NULL;
    *ret_why = "certificate request could not be parsed: asn1: structure error";
    at = data;
    request = d2i_X509_REQ(NULL, &at, length);
    if (request != NULL && X509_REQ_get0_pubkey(request) == NULL) {
        *ret_why = "Refusing to sign CSR with empty PublicKey. This usually means the "
                   "SubjectPublicKeyInfo field has an OID not recognized by Go, such as "
                   "1.2.840.113549.1.1.10 for rsaPSS.";
        X509_REQ_free(request);
        return NULL;
    }
    return request;
}

/* Text of a certificate as ours; NULL if it holds what Go's parser refuses: a NUL, or not ASCII. */
static const char *ascii_text(struct arena *arena, const ASN1_STRING *string)
{
    const unsigned char *data = ASN1_STRING_get0_data(string);
    size_t length = (size_t)ASN1_STRING_length(string);
    const char *text;

    for (size_t i = 0; i < length; i++)
        if (data[i] == 0 || data[i] > 0x7f)
            return NULL;
    text = arena_copy_part(arena, (const char *)data, length);
    MUST(text != NULL);
    return text;
}

static const char *address_text(struct arena *arena, const ASN1_STRING *octets)
{
    char text[INET6_ADDRSTRLEN];
    int length = ASN1_STRING_length(octets);

    if (length != 4 && length != 16)
        return NULL;
    MUST(inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(octets), text,
                   sizeof text) != NULL);
    return arena_copy(arena, text);
}

static const char *oid_text(struct arena *arena, const GENERAL_NAME *name)
{
    char text[128];

    OBJ_obj2txt(text, sizeof text, name->d.otherName->type_id, 1);
    return arena_copy(arena, text);
}

/* Adds one name to the list of its kind; false if its text is malformed. */
static bool add_name(struct arena *arena, const GENERAL_NAME *name, struct csr *csr)
{
    struct text_list *list = NULL;
    const char *text = NULL;

    if (name->type == GEN_OTHERNAME) {
        csr->other_oid = oid_text(arena, name);
    } else if (name->type == GEN_DNS) {
        list = &csr->asked.dns;
        text = ascii_text(arena, name->d.dNSName);
    } else if (name->type == GEN_EMAIL) {
        list = &csr->asked.email;
        text = ascii_text(arena, name->d.rfc822Name);
    } else if (name->type == GEN_URI) {
        list = &csr->asked.uri;
        text = ascii_text(arena, name->d.uniformResourceIdentifier);
    } else if (name->type == GEN_IPADD) {
        list = &csr->asked.ip;
        text = address_text(arena, name->d.iPAddress);
    }
    if (list != NULL && text != NULL)
        MUST(text_list_add(list, arena, text, strlen(text)));
    return list == NULL || text != NULL;
}

static bool read_extensions(struct arena *arena, struct csr *csr)
{
    CLEANUP(drop_extensions)
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(csr->request);
    CLEANUP(drop_names)
    GENERAL_NAMES *names = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);

    csr->has_basic_constraints = X509v3_get_ext_by_NID(extensions, NID_basic_constraints, -1) >= 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        if (!add_name(arena, sk_GENERAL_NAME_value(names, i), csr))
            return false;
    return true;
}

static bool read_common_name(struct arena *arena, struct csr *csr)
{
    X509_NAME *subject = X509_REQ_get_subject_name(csr->request);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    CLEANUP(drop_openssl) unsigned char *text = NULL;
    int length;

    csr->asked.common_name = "";
    if (at < 0)
        return true;
    length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (length < 0 || memchr(text, 0, (size_t)length) != NULL)
        return false;
    csr->asked.common_name = arena_copy_part(arena, (const char *)text, (size_t)length);
    MUST(csr->asked.common_name != NULL);
    return true;
}

bool csr_open(struct arena *arena, const char *pem, struct csr *csr, const char **ret_why)
{
    *ret_why = "\"csr\" is empty";
    if (pem[0] != '\0')
        csr->request = parse(pem, ret_why);
    if (csr->request != NULL) {
        csr->key = X509_REQ_get0_pubkey(csr->request);
        *ret_why = "certificate request could not be parsed: x509: a name is malformed";
    }
    ERR_clear_error();
    return csr->request != NULL && read_common_name(arena, csr) && read_extensions(arena, csr);
}

bool csr_is_signed(const struct csr *csr)
{
    bool is_signed = X509_REQ_verify(csr->request, csr->key) == 1;

    ERR_clear_error();
    return is_signed;
}

void csr_close(struct csr *csr)
{
    X509_REQ_free(csr->request);
    *csr = (struct csr){0};
}
