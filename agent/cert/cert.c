#include "cert/cert.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "cert/cert_directory.h"
#include "cert/consumer.h"
#include "cert/deployment.h"
#include "cert/issuance_news.h"
#include "cert/issuance_waits.h"

#include <stdlib.h>
#include <string.h>

struct cert {
    struct cert_work work; /* first member: listeners cast it to the certificate */
    struct issuance issuance;
    struct deployment deployment;
    struct config *next_config; /* adopted when the visible names have been switched; NULL: none */
    const struct cert_config *next_section;
    cert_observer *observer;
    void *arg;
};

static void adopt(struct cert *cert, struct config *config, const struct cert_config *section);

/* Whether a worker is switching the visible names: until it ends, memory does not know what is
 * published. */
static bool is_switching(const struct cert *cert)
{
    bool rolls = cert->deployment.state == DEPLOYMENT_ROLLING_BACK ||
                 cert->deployment.state == DEPLOYMENT_ROLLING_FORWARD;

    return (cert->issuance.state == ISSUANCE_PUBLISHING && cert->issuance.job != NULL) ||
           (rolls && cert->deployment.job != NULL);
}

/* -- messages between the machines ----------------------------------------------------------------
 */

static void on_stepped(struct cert_work *work)
{
    struct cert *cert = (struct cert *)work;
    struct config *config;

    /* Only after the outermost of nested transitions. */
    if (cert->issuance.taking > 0 || cert->deployment.taking > 0)
        return;
    cert->observer(cert->arg, cert);
    if (cert->next_config == NULL || is_switching(cert))
        return;
    config = TAKE(cert->next_config);
    adopt(cert, config, cert->next_section);
    config_unref(config);
}

static void on_in_place(struct cert_work *work, enum in_place how)
{
    struct cert *cert = (struct cert *)work;

    if (how == IN_PLACE_PUBLISHED)
        deployment_take_new(&cert->deployment);
    else
        deployment_take_found(&cert->deployment, how == IN_PLACE_FRESH);
}

static void on_withdrawn(struct cert_work *work)
{
    struct cert *cert = (struct cert *)work;

    /* If names are being switched, deployment sees the withdrawal when that has ended. */
    if (!is_switching(cert))
        deployment_stop(&cert->deployment);
}

static void on_refused(struct cert_work *work, const struct err *why)
{
    issuance_hear(&((struct cert *)work)->issuance, ISSUANCE_ON_REFUSED, why);
}

static void on_unsure(struct cert_work *work)
{
    issuance_hear(&((struct cert *)work)->issuance, ISSUANCE_ON_RECONSIDER, NULL);
}

static void on_found(struct cert_work *work, enum cert_found found)
{
    struct cert *cert = (struct cert *)work;
    static const enum issuance_event events[] = {
        [FOUND_DAMAGED] = ISSUANCE_ON_DAMAGED,
        [FOUND_REVOKED] = ISSUANCE_ON_REVOKED,
        [FOUND_WITHDRAWN] = ISSUANCE_ON_WITHDRAW,
    };

    /* The mark is of the generation that is being replaced. The job that switches the names reads
     * it again. */
    if (found == FOUND_WITHDRAWN && is_switching(cert))
        return;
    issuance_hear(&cert->issuance, events[found], NULL);
}

static const struct issuance_listener issuance_listener = {on_in_place, on_withdrawn, on_stepped};
static const struct deployment_listener deployment_listener = {on_refused, on_unsure, on_stepped};

/* -- begin and end --------------------------------------------------------------------------------
 */

struct cert *cert_new(struct cert_tools *tools, struct config *config,
                      const struct cert_config *section, cert_observer *observer, void *arg,
                      struct err *err)
{
    struct cert *cert = calloc(1, sizeof *cert);

    if (cert == NULL) {
        err_memory(err);
        return NULL;
    }
    if (!cert_work_open(&cert->work, tools, config, section, err)) {
        free(cert);
        return NULL;
    }
    cert->work.found = on_found;
    cert->observer = observer;
    cert->arg = arg;
    if (!issuance_open(&cert->issuance, &cert->work, &issuance_listener, err) ||
        !deployment_open(&cert->deployment, &cert->work, &deployment_listener, err)) {
        cert_free(cert);
        return NULL;
    }
    return cert;
}

void cert_begin(struct cert *cert)
{
    issuance_begin(&cert->issuance);
}

void cert_note_end(struct cert *cert)
{
    cert_work_note_end(&cert->work);
}

void cert_abandon(struct cert *cert, const struct config *config)
{
    cert_work_abandon(&cert->work, config);
}

void cert_free(struct cert *cert)
{
    if (cert == NULL)
        return;
    if (cert->issuance.work != NULL)
        issuance_close(&cert->issuance);
    if (cert->deployment.work != NULL)
        deployment_close(&cert->deployment);
    cert_work_close(&cert->work);
    config_unref(cert->next_config);
    free(cert);
}

/* -- a new configuration --------------------------------------------------------------------------
 */

/* An operator who reloads wants a failed certificate to be tried at once. */
static void adopt_same(struct cert *cert)
{
    if (cert->issuance.state == ISSUANCE_BACKING_OFF && issuance_try_within(&cert->issuance, 0))
        issuance_hear(&cert->issuance, ISSUANCE_ON_CHANGED, NULL);
    deployment_try_within(&cert->deployment, 0);
    if (cert_rests(cert))
        cert_directory_look(&cert->work);
}

static void adopt(struct cert *cert, struct config *config, const struct cert_config *section)
{
    bool same = strcmp(cert->work.cert->digest, section->digest) == 0;

    if (!same)
        deployment_stop(&cert->deployment);
    cert_work_adopt(&cert->work, config, section);
    if (same)
        adopt_same(cert);
    else
        issuance_hear(&cert->issuance, ISSUANCE_ON_CHANGED, NULL);
}

void cert_adopt(struct cert *cert, struct config *config, const struct cert_config *section)
{
    config_unref(TAKE(cert->next_config));
    if (!is_switching(cert)) {
        adopt(cert, config, section);
        return;
    }
    cert->next_config = config_ref(config);
    cert->next_section = section;
}

/* -- waits ----------------------------------------------------------------------------------------
 */

void cert_recompute(struct cert *cert, bool sooner)
{
    issuance_recompute(&cert->issuance, sooner);
    deployment_recompute(&cert->deployment, sooner);
}

void cert_ca_is_back(struct cert *cert)
{
    issuance_ca_is_back(&cert->issuance);
}

bool cert_try_within(struct cert *cert, uint64_t most_ms)
{
    bool is_issued = issuance_try_within(&cert->issuance, most_ms);

    return deployment_try_within(&cert->deployment, most_ms) || is_issued;
}

/* -- what operators ask for -----------------------------------------------------------------------
 */

/* A wait after a failure is never shorter than a second, so one that ends sooner was shortened. */
enum { ABOUT_TO_RING_US = 500000 };

void cert_ask(struct cert *cert, bool by_name)
{
    issuance_ask(&cert->issuance, by_name);
}

unsigned cert_issued(const struct cert *cert)
{
    return cert->issuance.issued;
}

enum cert_answer cert_answer(const struct cert *cert, unsigned issued)
{
    const struct issuance *issuance = &cert->issuance;

    if (issuance->unmet != NULL)
        return CERT_NOT_REPEATED;
    if (issuance->asked)
        return CERT_UNDER_WAY;
    if (issuance->state == ISSUANCE_WITHDRAWN)
        return CERT_WITHDRAWN;
    if (issuance->issued != issued)
        return deployment_rests(&cert->deployment) ? CERT_RENEWED : CERT_UNDER_WAY;
    if (issuance_is_held(issuance))
        return CERT_HELD;
    return issuance_rests(issuance) ? CERT_NOT_RENEWED : CERT_UNDER_WAY;
}

bool cert_retry(struct cert *cert)
{
    const struct cert_state *state = &cert->work.state;

    return (state->issuing.failures > 0 || state->consumer.trouble.failures > 0) &&
           cert_try_within(cert, 0);
}

static bool is_about_to_ring(const struct wall_timer *timer)
{
    return timer->until_us != 0 && timer->until_us <= clock_boot_us() + ABOUT_TO_RING_US;
}

bool cert_has_retried(const struct cert *cert)
{
    return cert_rests(cert) && !is_about_to_ring(&cert->issuance.timer) &&
           !is_about_to_ring(&cert->deployment.timer);
}

void cert_take_mark(struct cert *cert, const char *generation, enum revocation revocation)
{
    if (strcmp(cert->work.published.generation, generation) == 0)
        cert_work_tell_mark(&cert->work, revocation);
}

/* -- queries --------------------------------------------------------------------------------------
 */

const char *cert_name(const struct cert *cert)
{
    return cert->work.cert->name;
}

enum issuance_state cert_issuance_state(const struct cert *cert)
{
    return cert->issuance.state;
}

struct cert_published cert_published(const struct cert *cert)
{
    struct cert_published published = cert->work.published;

    published.usable = cert_work_lasts(&cert->work);
    if (cert->issuance.state == ISSUANCE_WITHDRAWN)
        published.due_s = 0;
    return published;
}

const char *cert_doing(const struct cert *cert)
{
    static const char *const issuing[ISSUANCE_STATE_COUNT] = {
        [ISSUANCE_READING] = "reading the files",
        [ISSUANCE_QUEUED] = "waiting for a turn at the CA",
        [ISSUANCE_MAKING_KEY] = "making a key",
        [ISSUANCE_SIGNING] = "waiting for the CA's signature",
        [ISSUANCE_VETTING] = "checking the CA's reply",
        [ISSUANCE_QUEUED_TO_RESTAGE] = "waiting to write the files again",
        [ISSUANCE_RECOVERING] = "reading the files",
        [ISSUANCE_STAGING] = "writing the files",
        [ISSUANCE_VALIDATING] = "running the validate command",
        [ISSUANCE_PUBLISHING] = "publishing the files",
    };
    static const char *const deploying[DEPLOYMENT_STATE_COUNT] = {
        [DEPLOYMENT_RELOADING] = "reloading the consumer",
        [DEPLOYMENT_PROVING] = "checking what the consumer serves",
        [DEPLOYMENT_LOOKING] = "checking what the consumer serves",
        [DEPLOYMENT_CHECKING] = "checking what the consumer serves",
        [DEPLOYMENT_ROLLING_BACK] = "rolling back",
        [DEPLOYMENT_RELOADING_BACK] = "reloading the consumer after the rollback",
        [DEPLOYMENT_PROVING_BACK] = "checking what the consumer serves after the rollback",
        [DEPLOYMENT_ROLLING_FORWARD] = "putting the new files in place again",
    };
    const char *doing = issuing[cert->issuance.state];

    return doing != NULL ? doing : deploying[cert->deployment.state];
}

enum consumer_progress cert_consumer(const struct cert *cert)
{
    const struct cert_work *work = &cert->work;

    return consumer_progress_of(&work->state.consumer, work->cert, work->published.generation);
}

uint64_t cert_held_until_s(const struct cert *cert)
{
    const struct cert_work *work = &cert->work;

    if (!issuance_is_held(&cert->issuance))
        return 0;
    return cert->issuance.state == ISSUANCE_HOLDING ? cert->issuance.timer.moment_s
                                                    : work->state.ca.held_until_s;
}

const struct cert_config *cert_section(const struct cert *cert)
{
    return cert->work.cert;
}

bool cert_rests(const struct cert *cert)
{
    return issuance_rests(&cert->issuance) && deployment_rests(&cert->deployment);
}

bool cert_tried(const struct cert *cert)
{
    enum issuance_state state = cert->issuance.state;
    bool waits_for_ca = state >= ISSUANCE_QUEUED && state <= ISSUANCE_SIGNING;

    return cert->issuance.tried || (waits_for_ca && ca_is_away(cert->work.tools->ca));
}

const struct cert_state *cert_known_state(const struct cert *cert)
{
    const struct cert_work *work = &cert->work;

    return work->read_once || work->state.issuing.failures > 0 ? &work->state : NULL;
}

/* The failures of issuance, else of deployment; NULL: none. */
static const struct trouble *trouble_now(const struct cert *cert)
{
    const struct cert_state *state = &cert->work.state;

    if (cert->issuance.state == ISSUANCE_BACKING_OFF)
        return &state->issuing;
    if (cert->issuance.state == ISSUANCE_WITHDRAWN || deployment_failure(&cert->deployment) == NULL)
        return NULL;
    return &state->consumer.trouble;
}

const struct err *cert_failure(const struct cert *cert)
{
    const struct trouble *trouble = trouble_now(cert);

    return trouble == NULL ? NULL : trouble_err(trouble);
}

/* One that its consumer refused waits for nothing of the CA. */
bool cert_awaits_ca(const struct cert *cert)
{
    enum issuance_state state = cert->issuance.state;

    return (state >= ISSUANCE_QUEUED && state <= ISSUANCE_SIGNING) ||
           (state == ISSUANCE_BACKING_OFF && !cert_work_is_refused(&cert->work));
}

const struct err *cert_unmet(const struct cert *cert, bool *ret_fresh)
{
    *ret_fresh = cert->work.heeded.revocation == REVOCATION_NONE;
    return cert->issuance.unmet;
}

const struct trouble *cert_trouble(const struct cert *cert)
{
    const struct cert_state *state = &cert->work.state;

    if (state->issuing.failures > 0 && !issuance_is_held(&cert->issuance))
        return &state->issuing;
    if (cert->issuance.state == ISSUANCE_WITHDRAWN || state->consumer.trouble.failures == 0 ||
        consumer_is_awaited(&state->consumer))
        return NULL;
    return &state->consumer.trouble;
}

/* -- news of the CA -------------------------------------------------------------------------------
 */

static uint64_t tell_life_s(const void *work)
{
    return cert_work_life_s(work);
}

static bool give_own(const void *of, struct ca_own *ret_own)
{
    const struct cert_work *work = of;

    if (!cert_work_lasts(work))
        return false;
    memcpy(ret_own->serial, work->published.serial, sizeof ret_own->serial);
    memcpy(ret_own->authority_key, work->published.authority_key, sizeof ret_own->authority_key);
    return true;
}

static bool on_issuer(void *cert, const struct ca_named_issuer *named)
{
    return issuance_take_issuer(&((struct cert *)cert)->issuance, named);
}

static void on_revoked(void *cert, const char *serial)
{
    issuance_take_revoked(&((struct cert *)cert)->issuance, serial);
}

static void on_list(void *cert, const char *serial, struct crl_shared *list)
{
    issuance_take_list(&((struct cert *)cert)->issuance, serial, list);
}

const struct ca_watch_listener cert_news = {tell_life_s, on_issuer, give_own, on_revoked, on_list};
