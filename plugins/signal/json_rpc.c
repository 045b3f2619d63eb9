/*
 * json_rpc: messages are pushed over a WebSocket, one in each of its messages. It is opened again, with a
 * delay, whenever it ends.
 *
 * The API keeps nothing for who is not connected, and waits for no confirmation: what comes is written down and in
 * the inbox at once. If that is full nothing is read, so that the API has to wait.
 */
#include <stdio.h>
#include <stdlib.h>

#include "plugins/common/websocket.h"
#include "receive.h"

struct json_rpc {
	struct signal_receive *receive; /* borrowed */
	struct websocket *socket;
	bool is_held;
};

static void on_opened(void *arg)
{
	struct json_rpc *rpc = arg;
	signal_receive_ready(rpc->receive);
	signal_receive_worked(rpc->receive);
}

static void on_message(void *arg, struct agentd_text text)
{
	struct json_rpc *rpc = arg;
	signal_receive_keep(rpc->receive, text);
	signal_receive_take(rpc->receive, text);
}

static void on_closed(void *arg, unsigned code, unsigned status, const char *reason)
{
	struct json_rpc *rpc = arg;
	char why[SIGNAL_WHY_SIZE];
	snprintf(why, sizeof(why), "the WebSocket has ended (%u): %s", status ? status : code,
	    reason && *reason ? reason : "no reason given");
	websocket_free(rpc->socket);
	rpc->socket = NULL;
	signal_receive_failed(rpc->receive, status, why, 0);
}

static void *json_rpc_open(struct signal_receive *receive)
{
	struct json_rpc *rpc = calloc(1, sizeof(*rpc));
	if (rpc)
		rpc->receive = receive;
	return rpc;
}

static void json_rpc_begin(void *self)
{
	struct json_rpc *rpc = self;
	const struct signal_receive_setup *setup = signal_receive_setup(rpc->receive);
	char *url = signal_api_socket_url(setup->api, "/v1/receive/{n}");
	struct websocket_setup socket = {
		.host = setup->host,
		.url = url,
		.opened = on_opened,
		.message = on_message,
		.closed = on_closed,
		.arg = rpc,
	};
	rpc->socket = url ? websocket_new(&socket) : NULL;
	free(url);
	if (rpc->socket)
		websocket_pause(rpc->socket, rpc->is_held);
	else
		signal_receive_failed(rpc->receive, 0, "memory is out, or the URL is none", 0);
}

static void json_rpc_stop(void *self)
{
	struct json_rpc *rpc = self;
	if (rpc->socket)
		websocket_close(rpc->socket, 1000, "");
}

static void json_rpc_hold(void *self, bool is_held)
{
	struct json_rpc *rpc = self;
	rpc->is_held = is_held;
	if (rpc->socket)
		websocket_pause(rpc->socket, is_held);
}

static bool json_rpc_is_busy(const void *self)
{
	(void)self;
	return false; /* who knows what will come: it is told to come no more */
}

static void json_rpc_close(void *self)
{
	struct json_rpc *rpc = self;
	websocket_free(rpc->socket);
	free(rpc);
}

const struct signal_mode signal_mode_json_rpc = {
	.name = "json-rpc",
	.modes = "|json-rpc|json-rpc-native|",
	.is_pushed = true,
	.open = json_rpc_open,
	.begin = json_rpc_begin,
	.stop = json_rpc_stop,
	.hold = json_rpc_hold,
	.is_busy = json_rpc_is_busy,
	.close = json_rpc_close,
};
