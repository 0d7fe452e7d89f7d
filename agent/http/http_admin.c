#include "http/http_admin.h"

#include <string.h>

struct slot *http_admin_start(struct http_loop *loop, const struct http_admin_order *order,
                              struct http_response *ret_response, slot_done *on_done, void *arg,
                              struct err *err)
{
    const struct http_peer peer = {
        .ca_file = order->ca_file,
        .timeout_s = order->limit_s,
        .connect_timeout_s = order->limit_s,
        .unix_socket = order->unix_socket,
        .plain = true,
        .own_connection = true,
    };
    /* Without it some servers answer 411 to a method that usually carries a body. */
    const bool bodiless = strcmp(order->method, "GET") == 0 || strcmp(order->method, "DELETE") == 0;
    const struct http_request request = {
        .peer = &peer,
        .method = order->method,
        .url = order->url,
        .headers = {bodiless ? NULL : "Content-Length: 0"},
    };

    return http_call_start(loop, &request, ret_response, on_done, arg, err);
}
