#include "base/wish.h"

const char *const key_type_words[KEY_TYPE_COUNT + 1] = {
    [KEY_ECDSA_P256] = "ecdsa-p256", [KEY_ECDSA_P384] = "ecdsa-p384",
    [KEY_ECDSA_P521] = "ecdsa-p521", [KEY_RSA_2048] = "rsa-2048",
    [KEY_RSA_3072] = "rsa-3072",     [KEY_RSA_4096] = "rsa-4096",
    [KEY_ED25519] = "ed25519",
};

bool names_equal(const struct names *a, const struct names *b)
{
    return text_equal(a->common_name, b->common_name) && text_list_equal(&a->dns, &b->dns) &&
           text_list_equal(&a->ip, &b->ip) && text_list_equal(&a->uri, &b->uri) &&
           text_list_equal(&a->email, &b->email) && text_list_equal(&a->subject, &b->subject);
}

size_t names_count(const struct names *names)
{
    return names->dns.count + names->ip.count + names->uri.count + names->email.count;
}
