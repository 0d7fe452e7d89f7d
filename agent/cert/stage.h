/*
 * stage - helpers that the stages of both machines share
 *
 * Each stage ends once, in a later iteration of the loop, also if it could not start.
 */
#ifndef LEAFD_CERT_STAGE_H
#define LEAFD_CERT_STAGE_H

#include "cert/cert_work.h"

/* stage_reserve - fills the reserve of stage_slot for when memory runs out; fails with class
 * local */
bool stage_reserve(struct cert_tools *tools, struct err *err);

/* stage_release - frees the reserve; {0} is fine */
void stage_release(struct cert_tools *tools);

/*
 * stage_slot - returns `started`; if that is NULL, a slot that ends at once with `err`
 *
 * on_done runs in a later iteration of the loop; `err` NULL is success. If memory and the reserve
 * ran out, the loop is ended and NULL returned.
 */
struct slot *stage_slot(const struct cert_work *work, struct slot *started, const struct err *err,
                        slot_done *on_done, void *arg);

/* stage_order_start - starts a job that has the set to itself, as set_owner_start; fills in the
 * tools of the order, and returns a slot as stage_slot */
struct slot *stage_order_start(struct cert_work *work, struct set_order *order, slot_done *on_done);

/* -- environment variables of commands ------------------------------------------------------------
 */

enum { STAGE_VARIABLES_MOST = 8 };

/* "NAME=value" texts in the arena, then NULL, for struct child_order. */
struct stage_variables {
    struct arena arena;
    const char *items[STAGE_VARIABLES_MOST + 1];
    size_t count;
    bool complete; /* false: memory ran out */
};

/* stage_variables_of - the variables that every command gets; end with stage_variables_free */
void stage_variables_of(struct stage_variables *ret_variables, const struct cert_config *cert);

/* stage_variables_of_published - the same, and those of the published generation */
void stage_variables_of_published(struct stage_variables *ret_variables,
                                  const struct cert_work *work);

/* stage_variables_add - adds one, formatted as by printf */
void stage_variables_add(struct stage_variables *variables, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* stage_variables_free - frees the texts */
void stage_variables_free(struct stage_variables *variables);

#endif
