/*
 * agent_call - requests of commands to the running agent, over its control socket
 */
#ifndef LEAFD_APP_AGENT_CALL_H
#define LEAFD_APP_AGENT_CALL_H

#include "base/err.h"

#include <jansson.h>

#include <stdint.h>

/* Initialise with {0}, end with agent_reply_free. */
struct agent_reply {
    int status;   /* of HTTP */
    json_t *body; /* an object */
};

/*
 * agent_call - sends a request to the agent whose configuration starts with `file`
 *
 * Searches its socket where the agent makes it (app/control) and in /run/leafd. With `everywhere`
 * also in /run/leafd-*, where leafd@USER.service has its own: whoever is that user could answer for
 * any configuration, so what is to be believed is not asked there. Blocks for `wait_s` seconds at
 * most. Fails with class local; err->errnum is ENOENT if there is no socket, ECONNREFUSED if its
 * agent has ended, EACCES if it is another user's, and another value if the agent does not answer.
 */
bool agent_call(const char *file, const char *method, const char *path, uint64_t wait_s,
                bool everywhere, struct agent_reply *ret_reply, struct err *err);

/* agent_post - the same with the method POST and a JSON body, which it borrows */
bool agent_post(const char *file, const char *path, const json_t *body, uint64_t wait_s,
                bool everywhere, struct agent_reply *ret_reply, struct err *err);

/* agent_reply_free - frees the reply; also the release for CLEANUP */
void agent_reply_free(struct agent_reply *reply);

#endif
