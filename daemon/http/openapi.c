/* openapi: the walk along the table of routes, with a jansson object for each thing that it says. */
#include "daemon/http/openapi.h"

#include <stdio.h>
#include <string.h>

#include "daemon/base/buf.h"
#include "daemon/base/id.h"
#include "daemon/http/embed.h"
#include "daemon/http/problem.h"
#include "daemon/http/routes.h"
#include "daemon/proc/build.h"
#include "daemon/version.h"

#define P(name) (UINT64_C(1) << PROBLEM_##name)

struct maker {
	const struct openapi_setup *setup; /* borrowed */
	bool failed;                       /* memory is out; sticky */
};

/* Both take over `value`, which may be NULL: then memory is out. */
static void put(struct maker *maker, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) < 0)
		maker->failed = true;
}

static void append(struct maker *maker, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) < 0)
		maker->failed = true;
}

static json_t *ref(const char *kind, const char *name)
{
	return json_pack("{s:o}", "$ref", json_sprintf("#/components/%s/%s", kind, name));
}

/* The object at a key; made if there is none. Borrowed. */
static json_t *child(struct maker *maker, json_t *object, const char *key)
{
	if (!json_object_get(object, key))
		put(maker, object, key, json_object());
	return json_object_get(object, key);
}

static bool needs_auth(const struct maker *maker, const struct route *route)
{
	return route->auth >= ROUTE_USER ||
	       (route->auth == ROUTE_METRICS && maker->setup->metrics_auth);
}

/* Parameters. One of a path is named after what stands in front: {id} of /runs/{id} is "runs.id". */

static void add_path_parameters(struct maker *maker, json_t *parameters, const char *pattern)
{
	char name[64];
	int folder = (int)strcspn(pattern + 1, "/");
	for (const char *at = pattern; (at = strchr(at, '{')); at++) {
		snprintf(name, sizeof(name), "%.*s.%.*s", folder, pattern + 1,
		    (int)strcspn(at + 1, "}"), at + 1);
		append(maker, parameters, ref("parameters", name));
	}
}

static json_t *make_parameters(struct maker *maker, const struct route *route)
{
	json_t *parameters = json_array();
	add_path_parameters(maker, parameters, route->pattern);
	for (size_t i = 0; i < sizeof(route->takes) / sizeof(route->takes[0]); i++)
		if (route->takes[i])
			append(maker, parameters, ref("parameters", route->takes[i]));
	return parameters;
}

/* Responses. */

/* The response of a status, made if there is none, with one more thing that it says; `between` stands
 * between two. Borrowed. */
static json_t *say(
    struct maker *maker, json_t *responses, int status, const char *between, const char *what)
{
	char key[12];
	snprintf(key, sizeof(key), "%d", status);
	json_t *response = child(maker, responses, key);
	const char *before = json_string_value(json_object_get(response, "description"));
	put(maker, response, "description",
	    before ? json_sprintf("%s%s%s", before, between, what) : json_string(what));
	put(maker, child(maker, response, "headers"), "X-Request-Id",
	    ref("headers", "X-Request-Id"));
	return response;
}

static void add_reply(struct maker *maker, json_t *responses, const struct route_reply *reply)
{
	json_t *response = say(maker, responses, reply->status, "; ", reply->what);
	if (!reply->type)
		return;
	json_t *schema =
	    reply->schema ? ref("schemas", reply->schema) : json_pack("{s:s}", "type", "string");
	put(maker, child(maker, response, "content"), reply->type,
	    json_pack("{s:o}", "schema", schema));
}

/* Those of the row, and those that follow from what it is. Any request may be broken, or come from a
 * page that may not send it; a body that is too large is looked for wherever a body makes sense. */
static uint64_t problems_of(const struct maker *maker, const struct route *route)
{
	uint64_t problems = route->problems | P(BAD_REQUEST) | P(FORBIDDEN) | P(INTERNAL);
	if (needs_auth(maker, route))
		problems |= P(UNAUTHORIZED) | P(RATE_LIMITED) | P(AUTH_UNAVAILABLE);
	if (strchr(route->pattern, '{'))
		problems |= P(NOT_FOUND);
	if (route->method == HTTP_POST || route->method == HTTP_PUT || route->method == HTTP_PATCH)
		problems |= P(PAYLOAD_TOO_LARGE);
	return problems;
}

/* A problem with one of some codes, of which there is none yet: see codes_of. */
static json_t *make_problem_content(void)
{
	return json_pack("{s:{s:{s:[o,{s:{s:{s:[]}}}]}}}", "application/problem+json", "schema",
	    "allOf", ref("schemas", "Problem"), "properties", "code", "enum");
}

/* The codes that a response may bear. Borrowed. */
static json_t *codes_of(const json_t *response)
{
	json_t *content = json_object_get(response, "content");
	json_t *media = json_object_get(content, "application/problem+json");
	json_t *all = json_object_get(json_object_get(media, "schema"), "allOf");
	json_t *properties = json_object_get(json_array_get(all, 1), "properties");
	return json_object_get(json_object_get(properties, "code"), "enum");
}

static void add_problem(struct maker *maker, json_t *responses, const struct problem_view *problem)
{
	char what[400];
	snprintf(what, sizeof(what), "* `%s`: %s", problem->code, problem->when);
	json_t *response = say(maker, responses, problem->status, "\n", what);
	json_t *headers = json_object_get(response, "headers");
	if (!json_object_get(response, "content"))
		put(maker, response, "content", make_problem_content());
	append(maker, codes_of(response), json_string(problem->code));
	if (problem->status == 401)
		put(maker, headers, "WWW-Authenticate", ref("headers", "WWW-Authenticate"));
	if (problem->status == 429 || problem->status == 503)
		put(maker, headers, "Retry-After", ref("headers", "Retry-After"));
}

static json_t *make_responses(struct maker *maker, const struct route *route)
{
	json_t *responses = json_object();
	for (size_t i = 0; i < sizeof(route->replies) / sizeof(route->replies[0]); i++)
		if (route->replies[i].status)
			add_reply(maker, responses, &route->replies[i]);
	uint64_t problems = problems_of(maker, route);
	for (int i = 0; i < PROBLEM_COUNT; i++)
		if (problems >> i & 1)
			add_problem(maker, responses, problem_look((enum problem)i));
	return responses;
}

/* Operations. */

/* One of these is enough. An empty one: none is needed. */
static json_t *make_security(struct maker *maker, const struct route *route)
{
	json_t *security = json_array();
	if (!needs_auth(maker, route))
		return security;
	if (maker->setup->key_header)
		append(maker, security, json_pack("{s:[]}", "apiKey"));
	append(maker, security, json_pack("{s:[]}", "bearer"));
	if (!maker->setup->auth)
		append(maker, security, json_object());
	return security;
}

static json_t *make_operation(struct maker *maker, const struct route *route)
{
	const char *admin = route->auth == ROUTE_ADMIN ? " For admins." : "";
	json_t *operation = json_pack("{s:s, s:s, s:o, s:[s], s:o}", "operationId", route->id,
	    "summary", route->summary, "description", json_sprintf("%s%s", route->details, admin),
	    "tags", route->tag, "security", make_security(maker, route));
	json_t *parameters = make_parameters(maker, route);
	if (json_array_size(parameters))
		put(maker, operation, "parameters", parameters);
	else
		json_decref(parameters);
	if (route->body)
		put(maker, operation, "requestBody",
		    json_pack("{s:b, s:{s:{s:o}}}", "required", true, "content", "application/json",
			"schema", ref("schemas", route->body)));
	put(maker, operation, "responses", make_responses(maker, route));
	return operation;
}

static json_t *make_paths(struct maker *maker)
{
	static const struct {
		enum http_method method;
		const char *key;
	} keys[] = {
		{ HTTP_GET, "get" },
		{ HTTP_POST, "post" },
		{ HTTP_PUT, "put" },
		{ HTTP_DELETE, "delete" },
		{ HTTP_PATCH, "patch" },
	};
	json_t *paths = json_object();
	for (size_t i = 0; i < route_count; i++)
		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			if (keys[k].method == routes[i].method)
				put(maker, child(maker, paths, routes[i].pattern), keys[k].key,
				    make_operation(maker, &routes[i]));
	return paths;
}

/* schemas.json has the header that keys are in as a rule. */
static void name_key_header(struct maker *maker, json_t *schemes)
{
	if (maker->setup->key_header)
		put(maker, json_object_get(schemes, "apiKey"), "name",
		    json_string(maker->setup->key_header));
	else
		json_object_del(schemes, "apiKey");
}

static json_t *make_codes(struct maker *maker)
{
	json_t *codes = json_array();
	for (int i = 0; i < PROBLEM_COUNT; i++)
		append(maker, codes, json_string(problem_look((enum problem)i)->code));
	return codes;
}

/* For docs.html. */
static json_t *make_dev(const struct build_failure *failure)
{
	char at[TIME_SIZE];
	if (!failure)
		return json_pack("{s:n}", "build_failure");
	time_format(failure->at_wall_ms, at);
	return json_pack("{s:{s:s*, s:s*, s:s*, s:s}}", "build_failure", "command",
	    failure->command, "reason", failure->reason, "output", failure->output, "at", at);
}

json_t *openapi_make(const struct openapi_setup *setup)
{
	struct maker maker = { .setup = setup };
	size_t length = (size_t)(embed_schemas_end - embed_schemas);
	json_t *document = json_loadb(embed_schemas, length, JSON_REJECT_DUPLICATES, NULL);
	json_t *info = json_object_get(document, "info");
	json_t *components = json_object_get(document, "components");
	json_t *schemas = json_object_get(components, "schemas");
	put(&maker, info, "title", json_string(setup->title));
	put(&maker, info, "version", json_string(AGENTD_VERSION));
	put(&maker, json_object_get(schemas, "ProblemCode"), "enum", make_codes(&maker));
	name_key_header(&maker, json_object_get(components, "securitySchemes"));
	put(&maker, document, "paths", make_paths(&maker));
	if (setup->dev)
		put(&maker, document, "x-dev", make_dev(setup->failure));
	if (maker.failed) {
		json_decref(document);
		return NULL;
	}
	return document;
}
