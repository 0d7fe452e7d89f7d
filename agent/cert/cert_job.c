#include "cert/cert_job.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "install/foreign.h"
#include "install/set_directory.h"
#include "install/trust_bundle.h"
#include "pki/crl.h"
#include "pki/key.h"
#include "pki/vet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CSR_MOST_BYTES = 64 * 1024 };

struct cert_draft *cert_draft_new(void)
{
    struct cert_draft *draft = calloc(1, sizeof *draft);

    if (draft != NULL)
        draft->csr.limit = CSR_MOST_BYTES;
    return draft;
}

void cert_draft_free(struct cert_draft *draft)
{
    if (draft == NULL)
        return;
    key_free(draft->key);
    bytes_free(&draft->csr);
    ca_signed_free(&draft->reply);
    issued_free(&draft->issued);
    free(draft);
}

struct cert_job *cert_job_new(struct config *config, const struct cert_config *cert,
                              struct set_claim *claim, struct cert_draft *draft, struct err *err)
{
    struct cert_job *job = calloc(1, sizeof *job);

    if (job == NULL) {
        cert_draft_free(draft);
        err_memory(err);
        return NULL;
    }
    job->config = config_ref(config);
    job->cert = cert;
    job->draft = draft;
    job->claim = set_claim_share(claim);
    job->set_fd = -1;
    return job;
}

bool cert_job_open(struct cert_job *job, struct err *err)
{
    if (job->claim == NULL)
        return err_set(err, ERR_LOCAL, "%s is not open", job->cert->directory);
    return set_claim_open(job->claim, job->cert->directory, &job->set_fd, err);
}

bool cert_job_leave(struct cert_job *job, bool done)
{
    close_fd(&job->set_fd);
    job->claim = set_claim_drop(job->claim);
    return done;
}

void cert_job_free(void *arg)
{
    struct cert_job *job = arg;

    close_fd(&job->set_fd);
    set_claim_drop(job->claim);
    cert_draft_free(job->draft);
    installed_free(&job->installed);
    crl_shared_drop(job->list);
    identity_free(&job->identity);
    cert_state_free(&job->state);
    config_unref(job->config);
    free(job);
}

/* A note of a hold that has ended may still be on disk; then the published certificate is newer. */
static bool follows_published(const struct cert_job *job, const struct installed *held)
{
    return job->installed.health == INSTALLED_NOTHING ||
           held->record.leaf.validity.not_before > job->installed.record.leaf.validity.not_before;
}

/* Reads the held generation, if it is intact, as the section asks, and not about to end. The sweep
 * removes any other one. */
static void read_held(struct cert_job *job, const char *current)
{
    CLEANUP(installed_free) struct installed installed = {0};
    struct cert_draft *draft = NULL;
    struct err err;

    if (job->held[0] == '\0')
        memcpy(job->held, job->state.held, sizeof job->held);
    if (job->held[0] == '\0' || strcmp(job->held, current) == 0)
        return;
    installed_read_generation(job->set_fd, job->held, job->cert, &installed);
    if (installed.health != INSTALLED_WHOLE || !follows_published(job, &installed) ||
        installed_difference(&installed, job->cert) != NULL ||
        !vet_lasts(installed.record.end_s, clock_now_s()))
        return;
    draft = cert_draft_new();
    if (draft == NULL ||
        !installed_recover(job->set_fd, job->cert, &installed, &draft->issued, &err)) {
        cert_draft_free(draft);
        return;
    }
    /* The key is on disk, and not needed here. */
    secret_wipe(&draft->issued.key_pem);
    memcpy(draft->generation, job->held, sizeof draft->generation);
    job->draft = draft;
    job->is_unannounced = !trust_bundle_has(job->set_fd, job->cert, &draft->issued);
}

/* Reads a directory that this process may not work in. */
static void see(struct cert_job *job, const struct err *why)
{
    CLEANUP(close_fd) int set_fd = -1;
    struct err err;

    job->is_kept = why->errnum == EWOULDBLOCK;
    if (!set_directory_look(job->cert->directory, &set_fd, &err))
        job->installed.health = INSTALLED_NOTHING;
    else {
        installed_glance(set_fd, job->cert, &job->installed);
        installed_judge_names(set_fd, job->cert, &job->installed);
        cert_state_read(set_fd, &job->state);
        job->revocation = revoked_mark_read(set_fd, job->installed.generation);
    }
    job->is_seen = shortage_noted() == 0;
}

static bool open_set(struct cert_job *job, struct err *err)
{
    const char *path = job->cert->directory;

    if (job->claim != NULL && set_claim_open_judged(job->claim, path, &job->set_fd, err))
        return true;
    /* If the directory was moved or mounted over, it is claimed again. */
    if (job->claim != NULL && err->errnum == ESTALE)
        job->claim = set_claim_drop(job->claim);
    if (job->claim == NULL &&
        set_claim_take(path, job->cert->directory_mode, &job->claim, &job->set_fd, err))
        return true;
    see(job, err);
    return false;
}

/* If ..data is missing, an intact generation that was published before is published again. */
static bool publish_again(struct cert_job *job, char current[static GENERATION_NAME_BYTES],
                          struct err *err)
{
    CLEANUP(installed_free) struct installed installed = {0};
    const char *last = job->published[0] != '\0' ? job->published : job->state.consumer.accepted;
    char before[GENERATION_NAME_BYTES];

    if (current[0] != '\0' || last[0] == '\0' || publish_may_be(job->set_fd, ""))
        return true;
    installed_read_generation(job->set_fd, last, job->cert, &installed);
    if (installed.health != INSTALLED_WHOLE || installed.record.end_s <= clock_now_s())
        return true;
    memcpy(current, last, GENERATION_NAME_BYTES);
    return publish_swap(job->set_fd, job->cert, current, before, err);
}

/* A crash right after the swap can leave visible names missing. Names that somebody removed are
 * made again as well, and reported. */
static bool mend_names(struct cert_job *job, struct err *err)
{
    const char *lost;
    bool mended = publish_names(job->set_fd, job->cert, &lost, err);

    if (lost != NULL && job->damage[0] == '\0')
        snprintf(job->damage, sizeof job->damage, "%s was removed or replaced", lost);
    return mended;
}

/* Removes files that other users made while they could write the directory. */
static void clear_foreign(struct cert_job *job)
{
    struct err what;

    job->found_foreign = foreign_remove(job->set_fd, &what);
    if (job->found_foreign)
        snprintf(job->damage, sizeof job->damage, "%.255s", what.text);
}

/* The attributes are read before the files, so that a later change is noticed. */
static void read_installed(struct cert_job *job, const char *current)
{
    struct err err;

    if (current[0] == '\0') {
        installed_read(job->set_fd, job->cert, &job->installed);
        return;
    }
    if (!installed_print(job->set_fd, job->cert, current, job->print, &err))
        job->print[0] = '\0';
    installed_read_generation(job->set_fd, current, job->cert, &job->installed);
    if (job->installed.health != INSTALLED_WHOLE)
        job->print[0] = '\0';
}

/* If the set is not intact, or has changed meanwhile, the next check must read the files. */
static void judge_print(struct cert_job *job, const char *current)
{
    char print[DIGEST_HEX_BYTES];
    struct err err;

    if (job->damage[0] != '\0' || job->link_failure.kind != ERR_NONE ||
        !installed_print(job->set_fd, job->cert, current, print, &err) ||
        strcmp(print, job->print) != 0)
        job->print[0] = '\0';
}

static bool read_disk(struct cert_job *job, struct err *err)
{
    char current[GENERATION_NAME_BYTES] = "";
    struct err why;

    shortage_forget();
    if (!open_set(job, err) || !publish_check(job->set_fd, job->cert, err))
        return false;
    clear_foreign(job);
    if (!publish_current(job->set_fd, current, &why))
        current[0] = '\0';
    cert_state_read(job->set_fd, &job->state);
    cert_state_hide(job->set_fd);
    if (!publish_again(job, current, err))
        return false;
    /* The generation that the consumer accepted last may be needed for a rollback. */
    if (job->previous[0] == '\0' && strcmp(job->state.consumer.accepted, current) != 0)
        memcpy(job->previous, job->state.consumer.accepted, sizeof job->previous);
    read_installed(job, current);
    read_held(job, current);
    /* If memory ran out, files may exist that were not seen; they must not be removed. */
    if (err_shortage(err))
        return false;
    /* Nor if it is not known which generation is published. */
    if (current[0] != '\0' || !publish_may_be(job->set_fd, ""))
        generation_sweep(job->set_fd, current, job->previous,
                         job->draft == NULL ? "" : job->draft->generation);
    job->revocation = revoked_mark_read(job->set_fd, current);
    if (err_shortage(err))
        return false;
    /* A new certificate is not requested if its links cannot be made. A published set stays without
     * them. */
    if (current[0] == '\0')
        return publish_check_links(job->cert, err);
    if (job->installed.health != INSTALLED_WHOLE)
        return true;
    publish_links(job->cert, &job->link_failure);
    if (!mend_names(job, err))
        return false;
    judge_print(job, current);
    return true;
}

static void find_damage(struct cert_job *job)
{
    CLEANUP(installed_free) struct installed installed = {0};

    installed_read(job->set_fd, job->cert, &installed);
    job->is_exposed = installed.is_exposed;
    if (installed.health == INSTALLED_WHOLE && strcmp(installed.generation, job->published) != 0) {
        snprintf(job->damage, sizeof job->damage, "..data was replaced");
        return;
    }
    installed_judge_names(job->set_fd, job->cert, &installed);
    if (installed.health != INSTALLED_WHOLE)
        snprintf(job->damage, sizeof job->damage, "%s", installed.why);
    else if (installed.has_other_key)
        snprintf(job->damage, sizeof job->damage, "the file of key_source holds another key");
}

static bool look(struct cert_job *job, struct err *err)
{
    char print[DIGEST_HEX_BYTES];

    shortage_forget();
    if (!set_claim_open_judged(job->claim, job->cert->directory, &job->set_fd, err)) {
        /* A file system that became read-only damages nothing; the next write reports it. */
        if (err->errnum != EROFS)
            snprintf(job->damage, sizeof job->damage, "%.255s", err->text);
        return !err_shortage(err);
    }
    job->revocation = revoked_mark_read(job->set_fd, job->published);
    if (!installed_print(job->set_fd, job->cert, job->published, print, err))
        return false;
    if (strcmp(print, job->print) == 0)
        return true;
    find_damage(job);
    /* A file that changed during the check may have been intact only for a moment. */
    if (!installed_print(job->set_fd, job->cert, job->published, job->print, err))
        return false;
    if (job->damage[0] != '\0' || strcmp(print, job->print) != 0)
        job->print[0] = '\0';
    return !err_shortage(err);
}

/* Reads the key in the reply, if the CA makes the key. */
static bool take_sent_key(struct cert_draft *draft, struct err *err)
{
    const char *pem = draft->reply.private_key;

    if (pem == NULL)
        return err_set(err, ERR_UNTRUSTED, "the reply holds no private key");
    key_free(draft->key);
    draft->key = NULL;
    if (key_from_pem(pem, strlen(pem), &draft->key, err))
        return true;
    err->kind = ERR_UNTRUSTED;
    return err_wrap(err, "the private key that the CA sent");
}

static bool vet_signed(struct cert_job *job, struct err *err)
{
    struct cert_draft *draft = job->draft;
    struct vet_order order = {
        .request = &job->cert->request,
        .trust_anchor = job->cert->trust_anchor,
        .current_serial = job->current_serial[0] == '\0' ? NULL : job->current_serial,
        .now_s = clock_now_s(),
        .cache = job->cache,
    };

    if (job->cert->key_origin.source == KEY_FROM_VAULT && !take_sent_key(draft, err))
        return false;
    order.key = draft->key;
    if (!vet(&order, &draft->reply.parts, &draft->issued, err))
        return false;
    draft->issued.issued_s = order.now_s;
    draft->issued.request_id = arena_copy(&draft->issued.arena, draft->reply.request_id);
    key_free(draft->key);
    draft->key = NULL;
    ca_signed_free(&draft->reply);
    if (draft->issued.request_id == NULL)
        return err_memory(err);
    if (job->guards_peers && !cert_job_open(job, err))
        return false;
    draft->is_of_unknown_issuer =
        job->guards_peers && !trust_bundle_has(job->set_fd, job->cert, &draft->issued);
    return !err_shortage(err);
}

/* Adds the CA of the held generation to the trust bundle. An unreadable one is ignored. */
static bool announce_held(struct cert_job *job, struct issued *issued, struct err *err)
{
    CLEANUP(installed_free) struct installed held = {0};

    installed_read_generation(job->set_fd, job->held, job->cert, &held);
    return held.health != INSTALLED_WHOLE ||
           trust_bundle_announce(&held.record.ca_pem, issued, err);
}

static bool recover(struct cert_job *job, struct err *err)
{
    CLEANUP(installed_free) struct installed installed = {0};
    struct issued *issued = &job->draft->issued;

    if (!cert_job_open(job, err))
        return false;
    installed_read(job->set_fd, job->cert, &installed);
    if (installed.health == INSTALLED_NOTHING)
        return err_set(err, ERR_LOCAL, "%s", installed.why);
    if (!installed_recover(job->set_fd, job->cert, &installed, issued, err))
        return false;
    secret_wipe(&issued->key_pem);
    job->draft->key_is_published = true;
    return job->held[0] == '\0' || announce_held(job, issued, err);
}

static bool read_list(struct cert_job *job, struct err *err)
{
    struct arena arena = {0};
    struct record record = {0};
    bool is_revoked = false;
    bool read = cert_job_open(job, err) && installed_record(job->set_fd, &arena, &record, err);
    const struct text_list *issuers =
        record.chain_pem.count > 0 ? &record.chain_pem : &record.ca_pem;

    if (read && issuers->count == 0)
        read = err_set(err, ERR_LOCAL, "the record names no issuer");
    read = read && crl_shared_has(job->list, issuers->items[0], job->serial, &is_revoked, err);
    if (!is_revoked)
        job->serial[0] = '\0';
    job->list = crl_shared_drop(job->list);
    arena_free(&arena);
    return read;
}

/* Reads the published key into the draft, to stage the same certificate again. */
static bool read_published_key(struct cert_job *job, struct err *err)
{
    CLEANUP(installed_free) struct installed installed = {0};
    CLEANUP(issued_free) struct issued issued = {0};
    struct issued *ours = &job->draft->issued;

    installed_read(job->set_fd, job->cert, &installed);
    if (installed.health == INSTALLED_NOTHING)
        return err_set(err, ERR_LOCAL, "%s", installed.why);
    if (!installed_recover(job->set_fd, job->cert, &installed, &issued, err))
        return false;
    if (strcmp(issued.leaf_pem, ours->leaf_pem) != 0)
        return err_set(err, ERR_LOCAL, "another certificate was published meanwhile");
    secret_move(&ours->key_pem, &issued.key_pem);
    return true;
}

static bool stage(struct cert_job *job, struct err *err)
{
    bool staged;

    shortage_forget();
    if (!set_claim_open_judged(job->claim, job->cert->directory, &job->set_fd, err) ||
        (job->draft->key_is_published && !read_published_key(job, err)) ||
        !trust_bundle_fill(job->set_fd, job->cert, &job->draft->issued, err) || err_shortage(err))
        return false;
    staged =
        generation_stage(job->set_fd, job->cert, &job->draft->issued, job->draft->generation, err);
    /* The key is on disk now, or the next try makes another. */
    secret_wipe(&job->draft->issued.key_pem);
    return staged;
}

/* The mark moves with the certificate to its new generation; another certificate has none. */
static void keep_mark(struct cert_job *job)
{
    const struct cert_draft *draft = job->draft;
    struct err err;

    if (strcmp(job->current_serial, draft->issued.leaf.serial) == 0)
        job->revocation = revoked_mark_read(job->set_fd, job->previous);
    if (job->revocation == REVOCATION_NONE)
        revoked_mark_clear(job->set_fd);
    else if (!revoked_mark_write(job->set_fd, draft->generation, job->revocation, &err))
        job->revocation = REVOCATION_NONE;
}

static bool publish(struct cert_job *job, struct err *err)
{
    struct err why;

    if (!set_claim_open_judged(job->claim, job->cert->directory, &job->set_fd, err) ||
        !publish_swap(job->set_fd, job->cert, job->draft->generation, job->previous, err))
        return false;
    keep_mark(job);
    publish_links(job->cert, &job->link_failure);
    /* Then the check that our own renames cause need not read the files. */
    if (!installed_print(job->set_fd, job->cert, job->draft->generation, job->print, &why))
        job->print[0] = '\0';
    return true;
}

static bool read_record(struct cert_job *job, struct err *err)
{
    struct installed *installed = &job->installed;

    shortage_forget();
    return cert_job_open(job, err) &&
           installed_record(job->set_fd, &installed->arena, &installed->record, err) &&
           !err_shortage(err);
}

static bool read_identity(struct cert_job *job, struct err *err)
{
    CLEANUP(installed_free) struct installed installed = {0};
    CLEANUP(issued_free) struct issued issued = {0};
    bool is_client;

    if (!cert_job_open(job, err))
        return false;
    shortage_forget();
    installed_read(job->set_fd, job->cert, &installed);
    if (err_shortage(err))
        return false;
    if (installed.health == INSTALLED_NOTHING)
        return err_set(err, ERR_LOCAL, "%s", installed.why);
    if (!identity_read(installed.record.leaf_pem, &installed.record.chain_pem, &job->identity,
                       &is_client, err))
        return false;
    return !is_client || (installed_recover(job->set_fd, job->cert, &installed, &issued, err) &&
                          key_from_pem(secret_expose(&issued.key_pem), issued.key_pem.length,
                                       &job->identity.key, err));
}

static bool roll_back(struct cert_job *job, struct err *err)
{
    struct installed *target = &job->installed;

    if (!set_claim_open_judged(job->claim, job->cert->directory, &job->set_fd, err))
        return false;
    installed_read_generation(job->set_fd, job->rollback_to, job->cert, target);
    if (target->health != INSTALLED_WHOLE)
        return err_set(err, ERR_LOCAL, "the other generation is not intact: %s", target->why);
    if (target->record.end_s <= clock_now_s())
        return err_set(err, ERR_LOCAL, "the other generation has expired");
    if (revoked_mark_read(job->set_fd, job->rollback_to) != REVOCATION_NONE)
        return err_set(err, ERR_LOCAL, "the other generation was revoked");
    return publish_swap(job->set_fd, job->cert, job->rollback_to, job->previous, err);
}

static bool remove_generation(struct cert_job *job, struct err *err)
{
    if (!cert_job_open(job, err))
        return false;
    if (!publish_may_be(job->set_fd, job->removed))
        generation_remove(job->set_fd, job->removed);
    return true;
}

static bool save(struct cert_job *job, struct err *err)
{
    return cert_job_open(job, err) && cert_state_write(job->set_fd, &job->state, err);
}

/* -- the functions that workers run ---------------------------------------------------------------
 */

/* The caller takes the claim. */
bool job_read_disk(void *arg, struct err *err)
{
    struct cert_job *job = arg;
    bool done = read_disk(job, err);

    close_fd(&job->set_fd);
    return done;
}

/* clang-format off */
#define JOB(name, run) bool name(void *arg, struct err *err) { return cert_job_leave(arg, run(arg, err)); }
JOB(job_look, look)
JOB(job_vet, vet_signed)
JOB(job_recover, recover)
JOB(job_read_list, read_list)
JOB(job_stage, stage)
JOB(job_publish, publish)
JOB(job_read_record, read_record)
JOB(job_read_identity, read_identity)
JOB(job_roll_back, roll_back)
JOB(job_remove, remove_generation)
JOB(job_save, save)
/* clang-format on */
