/*
 * control - the control socket of the running agent
 *
 * A Unix socket with mode 0600. Its name is derived from the configuration's path, so agents with
 * different configurations do not collide. It lies where $LEAFD_CONTROL_SOCKET
 * says, else in the first directory of $RUNTIME_DIRECTORY (systemd.exec(5)), else in /run/leafd for
 * root, else in $XDG_RUNTIME_DIR/leafd. If the socket cannot be made, the agent logs the reason and
 * a remedy once, and keeps certificates fresh all the same. If another agent with the same
 * configuration has it, this one takes over when that one has ended.
 */
#ifndef LEAFD_APP_CONTROL_H
#define LEAFD_APP_CONTROL_H

#include "app/serve.h"

/* POST has the agent read its configuration again, and waits until it is applied or refused. */
#define CONTROL_RELOAD "/v1/reload"

/*
 * GET gives the document of app/status, a part of the certificates at a time: the query from=N
 * skips the first N, and "count" tells how many there are. The query cert=NAME asks for everything
 * about one certificate.
 */
#define CONTROL_STATUS "/v1/status"

/*
 * POST begins an errand of app/errands for {"certs": ["NAME", ...]} or {"all": true}, or the query
 * cert=NAME. A revocation has no "all"; with "withdraws" it issues no replacement. The reply is
 * {"id": N, "count": certificates}.
 */
#define CONTROL_RENEW  "/v1/renew"
#define CONTROL_RETRY  "/v1/retry"
#define CONTROL_REVOKE "/v1/revoke"

/* GET with id=N and from=K gives what errands_tell gives, after wait=S seconds at most. */
#define CONTROL_OUTCOMES "/v1/outcomes"

/* GET with stream=TEXT and after=N gives what event_ring_tell gives, likewise. */
#define CONTROL_EVENTS "/v1/events"

enum control_status {
    CONTROL_APPLIED = 200, /* of a reload {"certificates": N} */
    CONTROL_BEGUN = 202,
    CONTROL_BAD = 400,     /* {"error": "..."}: the request is wrong */
    CONTROL_UNKNOWN = 404, /* likewise: there is no such certificate, errand or path */
    CONTROL_EARLY = 429,   /* likewise: too many retries */
    CONTROL_REFUSED = 422, /* {"problems": ["FILE:LINE: ...", ...]}: the configuration has errors */
    CONTROL_FAILED = 500,  /* {"error": "..."} */
    CONTROL_BUSY = 503     /* likewise */
};

struct control;

/*
 * control_open - makes the socket of the agent whose configuration starts with `file`
 *
 * Borrows all arguments. A worker makes the socket, and `serve` listens at it some iterations of
 * the loop later. Fails with class local.
 */
bool control_open(sd_event *loop, struct workers *workers, struct serve *serve, const char *file,
                  struct control **ret_control, struct err *err);

/* control_renew - makes the socket again if it was removed or could not be made before; never takes
 * one from an agent that runs */
void control_renew(struct control *control);

/* control_close - lets a worker remove the socket, and frees it; NULL is fine */
void control_close(struct control *control);

#endif
