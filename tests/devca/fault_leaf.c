#include "fault_leaf.h"

#include "base/clock.h"

#include "devca.h"
#include "leaf.h"
#include "mint.h"
#include "must.h"
#include "owned.h"

#include <string.h>

enum { RSA_BITS = 2048, HOUR_S = 3600, SOON_S = 2 };

static void replace_key(EVP_PKEY **key, EVP_PKEY *other)
{
    EVP_PKEY_free(*key);
    *key = other;
}

void fault_wrong_key(struct fault_scene *scene)
{
    replace_key(&scene->leaf->key, mint_key("ec", 0));
}

void fault_wrong_key_type(struct fault_scene *scene)
{
    bool is_rsa = EVP_PKEY_is_a(scene->leaf->key, "RSA");
    EVP_PKEY *other = mint_key(is_rsa ? "ec" : "rsa", RSA_BITS);

    MUST(EVP_PKEY_up_ref(other) == 1);
    replace_key(&scene->leaf->key, other);
    replace_key(&scene->leaf->private_key, other);
}

void fault_missing_san(struct fault_scene *scene)
{
    GENERAL_NAME_free(sk_GENERAL_NAME_pop(scene->leaf->names));
}

static void add_dns(GENERAL_NAMES *names, const char *text)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = ASN1_STRING_type_new(V_ASN1_IA5STRING);

    MUST(name != NULL && value != NULL && ASN1_STRING_set(value, text, -1) == 1);
    GENERAL_NAME_set0_value(name, GEN_DNS, value);
    MUST(sk_GENERAL_NAME_push(names, name) > 0);
}

void fault_extra_san(struct fault_scene *scene)
{
    add_dns(scene->leaf->names, "extra.example");
}

void fault_nul_in_san(struct fault_scene *scene)
{
    static const char tail[] = "\0.extra.example";

    for (int i = 0; i < sk_GENERAL_NAME_num(scene->leaf->names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(scene->leaf->names, i);
        char longer[512];
        int length;

        if (name->type != GEN_DNS)
            continue;
        length = ASN1_STRING_length(name->d.dNSName);
        MUST((size_t)length + sizeof tail <= sizeof longer);
        memcpy(longer, ASN1_STRING_get0_data(name->d.dNSName), (size_t)length);
        memcpy(longer + length, tail, sizeof tail - 1);
        MUST(ASN1_STRING_set(name->d.dNSName, longer, length + (int)sizeof tail - 1) == 1);
        return;
    }
}

void fault_other_name(struct fault_scene *scene)
{
    static const char text[] = "extra@example";
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_TYPE *value = ASN1_TYPE_new();
    ASN1_UTF8STRING *string = ASN1_UTF8STRING_new();

    MUST(name != NULL && value != NULL && string != NULL && ASN1_STRING_set(string, text, -1) == 1);
    ASN1_TYPE_set(value, V_ASN1_UTF8STRING, string);
    MUST(GENERAL_NAME_set0_othername(name, OBJ_nid2obj(NID_ms_upn), value) == 1 &&
         sk_GENERAL_NAME_push(scene->leaf->names, name) > 0);
}

void fault_wrong_cn(struct fault_scene *scene)
{
    scene->leaf->common_name = "wrong.example";
}

void fault_expired(struct fault_scene *scene)
{
    scene->leaf->not_before_s = clock_now_s() - 2 * HOUR_S;
    scene->leaf->not_after_s = clock_now_s() - HOUR_S;
}

void fault_ends_soon(struct fault_scene *scene)
{
    scene->leaf->not_after_s = clock_now_s() + SOON_S;
}

void fault_future(struct fault_scene *scene)
{
    struct leaf *leaf = scene->leaf;
    uint64_t ahead_s = (uint64_t)json_integer_value(json_object_get(scene->order, "seconds"));
    uint64_t begins_s = clock_now_s() + ahead_s;

    leaf->not_after_s += begins_s - leaf->not_before_s;
    leaf->not_before_s = begins_s;
}

void fault_is_ca(struct fault_scene *scene)
{
    scene->leaf->is_ca = true;
    scene->leaf->key_usage |= KU_KEY_CERT_SIGN;
}

void fault_no_digital_signature(struct fault_scene *scene)
{
    scene->leaf->key_usage &= ~(uint32_t)KU_DIGITAL_SIGNATURE;
}

void fault_no_server_auth(struct fault_scene *scene)
{
    scene->leaf->extended_usage = XKU_SSL_CLIENT;
}

void fault_no_client_auth(struct fault_scene *scene)
{
    scene->leaf->extended_usage = XKU_SSL_SERVER;
}

void fault_sha1(struct fault_scene *scene)
{
    scene->leaf->digest = EVP_sha1();
}

void fault_weak_key_ca(struct fault_scene *scene)
{
    scene->leaf->signer = odd_weak(&scene->devca->odd, scene->devca->ca.root);
}

void fault_long_chain(struct fault_scene *scene)
{
    scene->leaf->signer = odd_deep(&scene->devca->odd, scene->devca->ca.root);
}

void fault_issuer_ends_first(struct fault_scene *scene)
{
    scene->leaf->signer =
        odd_brief(&scene->devca->odd, scene->devca->ca.root,
                  (uint64_t)json_integer_value(json_object_get(scene->order, "seconds")));
}

void fault_restricted_issuer(struct fault_scene *scene)
{
    scene->leaf->signer = odd_restricted(&scene->devca->odd, scene->devca->ca.root);
}

/* The signature is what a certificate's DER ends with. */
void fault_bad_signature(struct fault_scene *scene)
{
    CLEANUP(drop_openssl) unsigned char *der = NULL;
    int length = i2d_X509(scene->leaf->certificate, &der);
    const unsigned char *at = der;

    MUST(length > 0);
    der[length - 1] ^= 1;
    X509_free(scene->leaf->certificate);
    scene->leaf->certificate = d2i_X509(NULL, &at, length);
    MUST(scene->leaf->certificate != NULL);
}
