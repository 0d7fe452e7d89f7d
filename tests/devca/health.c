#include "health.h"

#include "base/clock.h"

#include "devca.h"

void health(struct devca *devca, struct request *request, struct reply *reply)
{
    (void)request;
    reply_json(reply, json_pack("{s:b, s:b, s:b, s:b, s:s, s:s, s:I, s:s, s:s, s:s}", "initialized",
                                1, "sealed", 0, "standby", 0, "performance_standby", 0,
                                "replication_performance_mode", "disabled", "replication_dr_mode",
                                "disabled", "server_time_utc", (json_int_t)clock_now_s(), "version",
                                "devca " LEAFD_VERSION, "cluster_name", "devca", "cluster_id",
                                devca->cluster_id));
}
