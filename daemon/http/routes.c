/* routes: the table. */
#include "daemon/http/routes.h"

/* clang-format off */
const struct route routes[] = {
	{ HTTP_GET, "/health", ROUTE_OPEN, api_health },
	{ HTTP_GET, "/ready", ROUTE_OPEN, api_ready },
	{ HTTP_GET, "/metrics", ROUTE_METRICS, api_metrics },
	{ HTTP_POST, "/run", ROUTE_USER, api_run },
	{ HTTP_GET, "/agents", ROUTE_USER, api_agents_list },
	{ HTTP_GET, "/agents/{name}", ROUTE_USER, api_agents_get },
	{ HTTP_POST, "/agents/{name}/run", ROUTE_USER, api_agents_run },
	{ HTTP_POST, "/agents/{name}/restart", ROUTE_ADMIN, api_agents_restart },
	{ HTTP_GET, "/runs", ROUTE_USER, api_runs_list },
	{ HTTP_GET, "/runs/{id}", ROUTE_USER, api_runs_get },
	{ HTTP_GET, "/runs/{id}/events", ROUTE_USER, api_runs_events },
	{ HTTP_POST, "/runs/{id}/cancel", ROUTE_USER, api_runs_cancel },
	{ HTTP_GET, "/sessions", ROUTE_USER, api_sessions_list },
	{ HTTP_GET, "/sessions/{id}", ROUTE_USER, api_sessions_get },
	{ HTTP_DELETE, "/sessions/{id}", ROUTE_USER, api_sessions_delete },
};
/* clang-format on */
const size_t route_count = sizeof(routes) / sizeof(routes[0]);
