/*
 * renew: how an interface goes by another config. If its process is to be another one, the old one ends first, since
 * only one may ask a platform for what people write: it receives no more, sends what it has been given, and the new one
 * is started. If that does not get ready, the old one is started again. What has come in, and what is to be sent, stays
 * where it is.
 */
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/chat/internal.h"

/* The next process that is started is of it. */
static void interface_take(struct interface *interface, struct edition *edition)
{
	struct edition *before = interface->edition;
	interface->edition = edition_ref(edition);
	interface_rebind(interface);
	edition_unref(before);
}

static void interface_take_terms(struct interface *interface, struct terms *terms)
{
	struct terms *before = interface->terms;
	interface->terms = terms_ref(terms);
	interface->settings = terms->settings;
	terms_unref(before);
}

/* Nothing has to be gone back to any more. */
static void interface_settle(struct interface *interface)
{
	edition_unref(interface->former);
	terms_unref(interface->former_terms);
	interface->former = NULL;
	interface->former_terms = NULL;
}

void interface_forget_renewal(struct interface *interface)
{
	interface_settle(interface);
	edition_unref(interface->next);
	interface->next = NULL;
}

/* Its process is down. */
static void interface_go_on(struct interface *interface)
{
	struct edition *next = interface->next;
	interface->next = NULL;
	interface->has_served = false;
	interface_take(interface, next);
	edition_unref(next);
	if (interface->chats->started && !interface->is_loading)
		child_up(interface->child);
}

static bool is_same_platform(const struct terms *a, const struct terms *b)
{
	return strcmp(a->settings->platform, b->settings->platform) == 0;
}

/* Another start of what it was made of before. Who may write to it is as the config says now, unless that is about
 * another platform's people. */
static void interface_go_back(struct interface *interface)
{
	log_error(
	    "%s: with its new plugin, or settings, it does not get ready (%s): it goes on with the "
	    "former ones until the next reload",
	    interface_label(interface), child_last_exit(interface->child)->whole);
	if (!is_same_platform(interface->terms, interface->former_terms))
		interface_take_terms(interface, interface->former_terms);
	interface->next = interface->former;
	interface->former = NULL;
	interface_settle(interface);
	if (child_state(interface->child) == STATE_DOWN)
		interface_go_on(interface);
	else
		child_down(interface->child); /* it is at once, and goes on */
	interface->has_served = true;
}

void interface_on_renewal(struct interface *interface)
{
	enum state state = child_state(interface->child);
	bool is_off = state == STATE_BACKOFF || state == STATE_FAILED || state == STATE_DOWN;
	if (state == STATE_READY) {
		interface->has_served = true;
		interface_settle(interface);
	}
	if (is_off && interface->former && !interface->next)
		interface_go_back(interface);
	else if (state == STATE_DOWN && interface->next)
		interface_go_on(interface);
}

/* Whether what its process is made of now is worth to be gone back to. */
static bool interface_works(const struct interface *interface)
{
	enum state state = child_state(interface->child);
	return interface->has_served && !interface->former && state != STATE_BACKOFF &&
	       state != STATE_FAILED && state != STATE_DOWN;
}

static void interface_renew(struct interface *interface, struct edition *edition)
{
	enum state state = child_state(interface->child);
	if (interface_works(interface) && !edition_is_made_alike(interface->edition, edition)) {
		interface->former = edition_ref(interface->edition);
		interface->former_terms = terms_ref(interface->terms);
	}
	edition_unref(interface->next);
	interface->next = edition_ref(edition);
	interface->restarting = false;
	if (state == STATE_DOWN) {
		interface_go_on(interface);
		return;
	}
	if (state == STATE_READY)
		interface_drain(interface);
	child_down(interface->child);
	interface_check_idle(interface);
}

void interface_configure(struct interface *interface, struct terms *terms, struct edition *edition)
{
	bool goes_on = !interface->next && !interface->is_leaving &&
		       edition_is_alike(interface->edition, edition);
	interface->is_leaving = false;
	if (goes_on) {
		interface_take(interface, edition);
		if (child_state(interface->child) == STATE_FAILED)
			child_up(interface->child); /* it may work by now */
	} else {
		interface_renew(interface, edition);
	}
	interface_take_terms(interface, terms);
	inbox_pump(interface); /* more may go on at once */
}
