/*
 * machine - a certificate whose machine is tested by its table alone
 *
 * Stages leave a trace and do nothing, and the log says nothing. To be included before the
 * machine's own .c file, whose stages are replaced.
 */
#ifndef LEAFD_TESTS_MACHINE_H
#define LEAFD_TESTS_MACHINE_H

#include "unit.h"

#include "base/keeper.h"
#include "cert/cert_directory.h"
#include "cert/cert_log.h"
#include "cert/deployment.h"
#include "cert/issuance.h"

static char trace[1024];
static unsigned bugs;

static inline void note(const char *name)
{
    size_t used = strlen(trace);

    snprintf(trace + used, sizeof trace - used, "%s%s", used == 0 ? "" : " ", name);
}

/* clang-format off */
#define TRACED(machine, name) static void traced_##name(struct machine *m) { (void)m; note(#name); }
/* clang-format on */

static inline void traced_bug(const struct cert_work *work, const char *machine, int state,
                              int event)
{
    (void)work;
    (void)machine;
    (void)state;
    (void)event;
    bugs++;
}

static inline void quiet(struct cert_work *work)
{
    (void)work;
}

struct fixture {
    struct cert_tools tools;
    struct config *config;
    struct reload_action reload;
    struct cert_config cert;
    struct cert_work work;
    struct issuance issuance;     /* that the tests of issuance open, */
    struct deployment deployment; /* and those of deployment */
};

/* A fixture with a certificate that no machine works on yet; NULL if it cannot be. */
static inline struct fixture *fixture_open(void)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct err err;

    fixture->config = calloc(1, sizeof *fixture->config);
    fixture->config->references = 1;
    fixture->cert.name = "web";
    fixture->cert.directory = "/nowhere";
    sd_event_new(&fixture->tools.loop);
    trace[0] = '\0';
    bugs = 0;
    if (cert_work_open(&fixture->work, &fixture->tools, fixture->config, &fixture->cert, &err))
        return fixture;
    return NULL;
}

/* What the machine has left. */
static inline void fixture_close(struct fixture *fixture)
{
    sd_event_unref(fixture->tools.loop);
    config_unref(fixture->config);
    free(fixture);
}

#endif
