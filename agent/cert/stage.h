/*
 * stage - what the stages of both machines begin and end with
 *
 * Each stage ends once, in a later iteration of the loop, also if it could not start.
 */
#ifndef LEAFD_CERT_STAGE_H
#define LEAFD_CERT_STAGE_H

#include "cert/cert_work.h"

/* stage_reserve - sets aside what stage_slot needs when memory has run out; fails with class local
 */
bool stage_reserve(struct cert_tools *tools, struct err *err);

/* stage_release - gives that back; {0} is fine */
void stage_release(struct cert_tools *tools);

/*
 * stage_slot - the stage that was started
 *
 * If `started` is NULL it is one that ends at once with `err`, well if that is NULL: on_done runs
 * in a later iteration of the loop. NULL if there is no memory even for that: the loop ends.
 */
struct slot *stage_slot(const struct cert_work *work, struct slot *started, const struct err *err,
                        slot_done *on_done, void *arg);

/* stage_order_start - starts a stage that needs the set to itself: set_owner_start, as stage_slot;
 * fills in the tools of the order */
struct slot *stage_order_start(struct cert_work *work, struct set_order *order, slot_done *on_done);

/* -- the environment of the operator's commands ---------------------------------------------------
 */

enum { STAGE_VARIABLES_MOST = 8 };

/* "NAME=value" each, then NULL, as child_order wants them; the texts live in the arena. */
struct stage_variables {
    struct arena arena;
    const char *items[STAGE_VARIABLES_MOST + 1];
    size_t count;
    bool complete; /* memory did not run out */
};

/* stage_variables_of - what every command is told of its section; end with stage_variables_free */
void stage_variables_of(struct stage_variables *ret_variables, const struct cert_config *cert);

/* stage_variables_of_published - the same, and what is told of the published generation */
void stage_variables_of_published(struct stage_variables *ret_variables,
                                  const struct cert_work *work);

/* stage_variables_add - one more, formatted as printf does */
void stage_variables_add(struct stage_variables *variables, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* stage_variables_free - gives back the texts */
void stage_variables_free(struct stage_variables *variables);

#endif
