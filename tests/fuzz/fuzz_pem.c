/* A file of certificates, of any bytes: as the configuration names one, as the CA sends one, and
 * as one that lies on the disk. */
#include "fuzz.h"

#include "pki/chain.h"
#include "pki/crypto.h"
#include "pki/path.h"
#include "pki/pem_file.h"

#include <openssl/pem.h>

#include <stdlib.h>
#include <string.h>

enum { NOW_S = 1800000000 };

/* Both forms of the file, and a key in it. */
static bool try_file(const uint8_t *data, size_t size, struct pem_file_facts *ret_facts)
{
    const char *path = fuzz_file("list.pem", data, size);
    struct pem_file_facts wide;
    struct err err = {.kind = ERR_NONE}, wide_err = {.kind = ERR_NONE};
    bool plain = pem_file_certificates(path, PEM_FILE_PLAIN, ret_facts, &err);
    bool trusted = pem_file_certificates(path, PEM_FILE_OR_TRUSTED, &wide, &wide_err);

    if (!plain)
        fuzz_failure(&err);
    if (!trusted)
        fuzz_failure(&wide_err);
    if (plain)
        fuzz_promise(ret_facts->certificates > 0 && ret_facts->bytes == size,
                     "a list has certificates");
    if (plain && trusted)
        fuzz_promise(wide.certificates >= ret_facts->certificates, "the wider form has no fewer");
    err = (struct err){.kind = ERR_NONE};
    if (!pem_file_key(path, path, &err))
        fuzz_failure(&err);
    return plain;
}

static const char *write_all(struct arena *arena, STACK_OF(X509) * certificates)
{
    struct text_list texts = {0};
    const char *all = "";

    for (int i = 0; i < sk_X509_num(certificates); i++) {
        fuzz_promise(chain_to_pem(&texts, arena, sk_X509_value(certificates, i)), "is written");
        all = arena_format(arena, "%s%s", all, texts.items[i]);
    }
    return all;
}

/* What we write of it reads as the same certificates, in the same order. */
static void try_again(struct arena *arena, STACK_OF(X509) * certificates)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *again = sk_X509_new_null();
    const char *text = write_all(arena, certificates);
    struct err err;

    if (strlen(text) > CHAIN_MOST_BYTES)
        return;
    fuzz_promise(chain_parse(text, again, &err), "what we write can be read");
    fuzz_promise(sk_X509_num(again) == sk_X509_num(certificates), "and holds as many");
    for (int i = 0; i < sk_X509_num(again); i++)
        fuzz_promise(X509_cmp(sk_X509_value(again, i), sk_X509_value(certificates, i)) == 0,
                     "and the same ones");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(cleanup_certificates) STACK_OF(X509) *certificates = sk_X509_new_null();
    struct arena arena = {0};
    const char *text = arena_copy_part(&arena, (const char *)data, size);
    const struct text_list list = {.items = &text, .count = 1};
    struct pem_file_facts facts = {0};
    struct err err = {.kind = ERR_NONE};
    bool has_nul = memchr(data, '\0', size) != NULL;
    bool is_file = try_file(data, size, &facts), is_chain = chain_parse(text, certificates, &err);

    if (!is_chain)
        fuzz_failure(&err);
    fuzz_promise(sk_X509_num(certificates) <= CHAIN_MOST_CERTIFICATES, "a chain has a ceiling");
    if (!has_nul && size <= CHAIN_MOST_BYTES && facts.certificates <= CHAIN_MOST_CERTIFICATES)
        fuzz_promise(is_file == is_chain, "a list is one for whoever reads it");
    if (is_chain) {
        fuzz_promise(sk_X509_num(certificates) > 0, "a chain has certificates");
        try_again(&arena, certificates);
        fuzz_promise(path_end_of_texts(text, &list, &list, NOW_S) <= UINT64_MAX, "an end");
    }
    arena_free(&arena);
    return 0;
}
