#include "app/revoke_set.h"

#include "base/cleanup.h"
#include "config/config_values.h"
#include "install/set_claim.h"
#include "install/set_directory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- the steps on the disk ------------------------------------------------------------------------
 */

/*
 * Whether the certificate belongs to the section and comes from a mount of the CA. The section may
 * have gained or lost names since.
 */
static bool is_the_sections(const struct cert_config *cert, const struct record *record,
                            struct err *err)
{
    const char *missing = names_missing_any(&cert->request.names, &record->leaf.names);
    const char *mount = record->request.pki_mount;

    if (missing != NULL && names_missing_any(&record->leaf.names, &cert->request.names) != NULL)
        return err_set(err, ERR_REFUSED,
                       "the certificate in %s, serial %s, is not for the names of the section: %s "
                       "is missing in it; set the names and the directory that it was issued for, "
                       "or revoke it on the CA by its serial number",
                       cert->directory, record->leaf.serial, missing);
    if (mount == NULL || !is_api_path(mount))
        return err_set(err, ERR_REFUSED,
                       "%s in %s names no mount of the CA as pki_mount; it was not written by "
                       "leafd: revoke serial %s on the CA",
                       record_name, cert->directory, record->leaf.serial);
    return true;
}

bool revoke_set_read(struct revoke_set *set, struct err *err)
{
    struct installed *installed = &set->installed;
    struct stat about;

    if (set->cert->is_trust)
        return err_set(err, ERR_REFUSED,
                       "is a [trust] section: it has no certificate of its own, so there is "
                       "nothing to revoke; an issuer is revoked on the CA");
    if (!set_directory_visit(set->cert->directory, &set->set_fd, &about, err))
        return false;
    installed_glance(set->set_fd, set->cert, installed);
    if (installed->health == INSTALLED_NOTHING)
        return err_set(err, ERR_REFUSED, "there is nothing to revoke: %s", installed->why);
    return is_the_sections(set->cert, &installed->record, err);
}

bool revoke_set_mark(struct revoke_set *set, struct err *err)
{
    struct err who;

    set->has_agent = set_claim_has(set->set_fd, set->cert->directory, &who);
    return revoked_mark_write(set->set_fd, set->installed.generation, set->mark, err);
}

void revoke_set_tell(const struct revoke_set *set, enum log_level level)
{
    const struct record *record = &set->installed.record;

    event_emit(&(struct event){.kind = EVENT_REVOKED,
                               .level = level,
                               .cert = set->cert->name,
                               .serial = record->leaf.serial,
                               .issuer = record->leaf.issuer,
                               .pki_mount = record->request.pki_mount},
               "revoked serial %s, because an operator asked for it", record->leaf.serial);
}

void revoke_set_free(struct revoke_set *set)
{
    close_fd(&set->set_fd);
    installed_free(&set->installed);
    config_unref(set->config);
    set->config = NULL;
}

/* -- the agent's ----------------------------------------------------------------------------------
 */

/* Shared with the worker's job, so that neither frees it under the other. */
struct shared {
    struct revoke_set set;
    unsigned references;
};

struct operation {
    struct slot slot; /* first member */
    struct cert_tools *tools;
    struct slot *step;
    struct shared *shared;
    struct revoked_set *revoked;
};

static void let_go(void *arg)
{
    struct shared *shared = arg;

    if (shared == NULL || --shared->references > 0)
        return;
    revoke_set_free(&shared->set);
    free(shared);
}

static void destroy(struct slot *slot)
{
    struct operation *operation = (struct operation *)slot;

    slot_drop(operation->step);
    let_go(operation->shared);
    slot_free(slot);
}

static bool run_read(void *job, struct err *err)
{
    return revoke_set_read(&((struct shared *)job)->set, err);
}

static bool run_mark(void *job, struct err *err)
{
    return revoke_set_mark(&((struct shared *)job)->set, err);
}

/* Starts the next step, or ends the operation. */
static void go_on(struct operation *operation, const struct err *ended, struct slot *next,
                  const struct err *err)
{
    operation->step = next;
    if (ended->kind != ERR_NONE || next == NULL)
        slot_finish(&operation->slot, ended->kind != ERR_NONE ? ended : err);
}

static struct slot *start_job(struct operation *operation, worker_run *run, slot_done *on_done,
                              struct err *err)
{
    struct cert_tools *tools = operation->tools;
    const struct set_place place = {tools->workers, &tools->mounts,
                                    operation->shared->set.cert->directory};
    const struct lane_key lane = set_lane(&place);

    operation->shared->references++;
    return worker_start_in(tools->workers, &lane, WORK_NEXT, run, operation->shared, let_go,
                           on_done, operation, err);
}

/* A step has ended: its slot, which owns the error, is dropped. */
static struct err end_step(struct operation *operation, const struct err *step_err)
{
    const struct err err = *step_err;

    operation->step = slot_drop(operation->step);
    return err;
}

static void on_marked(void *arg, const struct err *step_err)
{
    struct operation *operation = arg;
    struct err err = end_step(operation, step_err);

    if (err.kind != ERR_NONE)
        err_wrap(&err, "it is revoked, but cannot be marked so");
    slot_finish(&operation->slot, &err);
}

static void on_revoked(void *arg, const struct err *step_err)
{
    struct operation *operation = arg;
    const struct installed *installed = &operation->shared->set.installed;
    const struct err ended = end_step(operation, step_err);
    struct slot *next = NULL;
    struct err err;

    if (ended.kind == ERR_NONE) {
        revoke_set_tell(&operation->shared->set, 0);
        snprintf(operation->revoked->serial, sizeof operation->revoked->serial, "%s",
                 installed->record.leaf.serial);
        memcpy(operation->revoked->generation, installed->generation,
               sizeof operation->revoked->generation);
        next = start_job(operation, run_mark, on_marked, &err);
    }
    go_on(operation, &ended, next, &err);
}

static void on_session(void *arg, const struct err *step_err)
{
    struct operation *operation = arg;
    const struct record *record = &operation->shared->set.installed.record;
    const struct err ended = end_step(operation, step_err);
    struct slot *next = NULL;
    struct err err;

    if (ended.kind == ERR_NONE)
        next = ca_revoke_start(operation->tools->ca, record->request.pki_mount, record->leaf.serial,
                               record->leaf_pem, on_revoked, operation, &err);
    go_on(operation, &ended, next, &err);
}

static void on_read(void *arg, const struct err *step_err)
{
    struct operation *operation = arg;
    const struct err ended = end_step(operation, step_err);
    struct slot *next = NULL;
    struct err err;

    if (ended.kind == ERR_NONE)
        next = ca_log_in_start(operation->tools->ca, on_session, operation, &err);
    go_on(operation, &ended, next, &err);
}

struct slot *revoke_set_start(struct cert_tools *tools, struct config *config,
                              const struct cert_config *cert, enum revocation mark,
                              struct revoked_set *ret_revoked, slot_done *on_done, void *arg,
                              struct err *err)
{
    struct operation *operation =
        slot_new(sizeof *operation, tools->loop, destroy, on_done, arg, err);

    if (operation == NULL)
        return NULL;
    operation->tools = tools;
    operation->revoked = ret_revoked;
    operation->shared = calloc(1, sizeof *operation->shared);
    if (operation->shared != NULL) {
        operation->shared->references = 1;
        operation->shared->set = (struct revoke_set){
            .config = config_ref(config), .cert = cert, .set_fd = -1, .mark = mark};
        operation->step = start_job(operation, run_read, on_read, err);
    } else {
        err_memory(err);
    }
    if (operation->step != NULL)
        return &operation->slot;
    slot_drop(&operation->slot);
    return NULL;
}
