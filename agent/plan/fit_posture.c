#include "plan/fit_posture.h"

#include "base/clock.h"

#include <inttypes.h>

/* A role may allow ten times what is asked, and a day in any case. */
enum { FAR_WIDER = 10, DAY_S = 86400, WEEK_S = 7 * DAY_S, LEAST_STRENGTH_BITS = 112 };

static bool advise(struct arena *arena, struct fit_findings *findings, enum posture id,
                   const char *text, const char *remedy)
{
    struct fit_finding *finding =
        arena_append(arena, &findings->items, &findings->count, sizeof *finding);

    if (finding != NULL)
        *finding =
            (struct fit_finding){.grade = FIT_ADVICE, .id = id, .text = text, .remedy = remedy};
    return finding != NULL && text != NULL && remedy != NULL;
}

bool fit_posture_role(const struct fit_use *use, const struct mount_terms *mount,
                      const struct role_terms *role, struct arena *arena,
                      struct fit_findings *findings)
{
    uint64_t asked_s = use->ttl_s != 0 ? use->ttl_s : role->ttl_s;
    uint64_t most_s = role->max_ttl_s != 0 ? role->max_ttl_s : mount->max_ttl_s;
    char asked[DURATION_TEXT_BYTES], most[DURATION_TEXT_BYTES];
    const char *text;

    /* Without max_ttl the mount or the server decides; the usual maximum is 32 days. */
    if (role->known != TERMS_KNOWN || role->not_after[0] != '\0' || asked_s == 0 ||
        (most_s != 0 && (most_s <= asked_s * FAR_WIDER || most_s <= DAY_S)) ||
        (most_s == 0 && asked_s > WEEK_S))
        return true;
    duration_text(asked_s, asked);
    duration_text(most_s, most);
    text = arena_format(
        arena,
        "the role %s gives certificates for %s, and no section asks for more than %s: "
        "whoever steals the login gets them for that long",
        use->pki_role, most_s == 0 ? "as long as mount and server allow" : most, asked);
    return advise(arena, findings, POSTURE_ROLE_TTL, text,
                  arena_format(arena, "on the CA: vault patch %s/roles/%s max_ttl=%" PRIu64,
                               use->pki_mount, use->pki_role, asked_s));
}

bool fit_posture_issuer(const char *name, const struct issuer_terms *issuer, struct arena *arena,
                        struct fit_findings *findings)
{
    if (issuer->known != TERMS_KNOWN)
        return true;
    if (issuer->key_strength_bits > 0 && issuer->key_strength_bits < LEAST_STRENGTH_BITS &&
        !advise(arena, findings, POSTURE_ISSUER_KEY,
                arena_format(arena,
                             "the key of the issuer %s has a strength of %d bits, and %d "
                             "are needed",
                             name, issuer->key_strength_bits, LEAST_STRENGTH_BITS),
                "on the CA: replace the issuer by one with an ecdsa-p256 or rsa-3072 key"))
        return false;
    if (issuer->is_root)
        return advise(arena, findings, POSTURE_ISSUER_ROOT,
                      arena_format(arena,
                                   "the issuer %s is a root: if its key is stolen, every "
                                   "peer needs another trust anchor",
                                   name),
                      "on the CA: let the root sign an intermediate, and issue from that");
    if (!issuer->limits_names &&
        !advise(arena, findings, POSTURE_ISSUER_NAMES,
                arena_format(arena,
                             "the issuer %s has no name constraints: its key signs for "
                             "every name that peers know",
                             name),
                "on the CA: have the intermediate signed with permitted_dns_domains"))
        return false;
    return issuer->limits_path ||
           advise(arena, findings, POSTURE_ISSUER_PATH,
                  arena_format(arena,
                               "the issuer %s has no path length: its key can sign further "
                               "CA certificates",
                               name),
                  "on the CA: have the intermediate signed with max_path_length=0");
}
