/* SPDX-License-Identifier: MIT */
#ifndef LIB_LIST_H
#define LIB_LIST_H

/*
 * A circular, intrusive, doubly linked list of struct bufev_link.  A list is
 * a link that leads to itself when empty; a link in no list is all zero.
 */

#include <stdbool.h>
#include <stddef.h>

#include <bufev/reactor.h>

/* The struct of `type` whose `member` this pointer points to. */
#define bufev_container(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void bufev_list_init(struct bufev_link *list)
{
	list->next = list->prev = list;
}

static inline bool bufev_list_empty(const struct bufev_link *list)
{
	return list->next == list;
}

static inline bool bufev_linked(const struct bufev_link *link)
{
	return link->next != NULL;
}

static inline void bufev_list_append(struct bufev_link *list,
				     struct bufev_link *link)
{
	link->prev = list->prev;
	link->next = list;
	list->prev->next = link;
	list->prev = link;
}

static inline void bufev_unlink(struct bufev_link *link)
{
	if (!bufev_linked(link))
		return;
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->next = link->prev = NULL;
}

/* The first link, taken out of the list; NULL where there is none. */
static inline struct bufev_link *bufev_list_take(struct bufev_link *list)
{
	struct bufev_link *first = list->next;

	if (first == list)
		return NULL;
	bufev_unlink(first);
	return first;
}

/* Moves all of `from`, in order, to the end of `list`. */
static inline void bufev_list_join(struct bufev_link *list,
				   struct bufev_link *from)
{
	if (bufev_list_empty(from))
		return;
	from->next->prev = list->prev;
	list->prev->next = from->next;
	from->prev->next = list;
	list->prev = from->prev;
	bufev_list_init(from);
}

#endif
