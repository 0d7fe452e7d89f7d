/*
 * status_answers - the agent's replies to requests for its status
 *
 * A worker reads the sets from disk, with the configuration that the agent uses: what is told is
 * what a consumer finds. The threads are those for look-ups: a disk that hangs keeps no certificate
 * waiting, and a request that waits for it is answered by the client's time limit.
 */
#ifndef LEAFD_APP_STATUS_ANSWERS_H
#define LEAFD_APP_STATUS_ANSWERS_H

#include "app/serve.h"
#include "config/config.h"

struct status_answers;

/*
 * Adds to a row what only the agent remembers: on the loop, after it was read. `is_whole`: the row
 * was asked for by name. False if memory ran out.
 */
typedef bool status_memory(void *arg, json_t *row, bool is_whole);

/* status_answers_open - no requests yet; borrows `workers`. Fails with class local */
bool status_answers_open(struct workers *workers, status_memory *memory, void *arg,
                         struct status_answers **ret_answers, struct err *err);

/*
 * status_answers_add - replies to the request with a page of the document of app/status
 *
 * The query from=N skips the first N certificates; "count" tells how many there are. The query
 * cert=NAME asks for everything about one. Takes the
 * reference of `agent`, which is the part of the document that tells of the agent, and takes a
 * reference of `config`.
 */
void status_answers_add(struct status_answers *answers, struct config *config, json_t *agent,
                        struct serve_request *serve);

/* status_answers_close - replies that the agent is stopping, and frees; NULL is fine */
void status_answers_close(struct status_answers *answers);

#endif
