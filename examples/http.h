/* SPDX-License-Identifier: MIT */
/*
 * http.h: takes HTTP/1.1 requests (RFC 9112) out of a buffer; for http-hello.c.
 *
 * It is strict, for what two programs read in two ways can smuggle a request
 * past one of them: refused are a bare CR or LF, a space before a colon, a
 * folded line, two lengths, and a length beside a transfer coding.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <bufev.h>

/* The most bytes of a head (with its request line), and of a content. */
enum { HTTP_HEAD = 16384, HTTP_CONTENT = 65536 };

/* Zero one for each request; `rest` is the `content` of the one before. */
struct http_request {
	size_t rest;	     /* the bytes to drop before it begins */
	size_t size;	     /* the bytes of its head that were taken */
	size_t content;	     /* the bytes that follow its head */
	const char *refusal; /* of a transfer coding, where there is one */
	char minor;	     /* of the version; '\0' before the request line */
	bool bare;	     /* HEAD: the answer has no content */
	bool last;	     /* the client sends no other request */
	bool host, sized;    /* Host came; Content-Length came */
};

static const char http_good[] = "200 OK", http_bad[] = "400 Bad Request",
		  http_unknown[] = "501 Not Implemented";

#define HTTP_DIGITS "0123456789"
#define HTTP_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define HTTP_TOKEN HTTP_DIGITS HTTP_LETTERS "!#$%&'*+.^_`|~-"
#define HTTP_HOST HTTP_DIGITS HTTP_LETTERS "!$%&'()*+.:;=[]_~-"

/* In the format, %*1[ ] is one space; a mere space would be any white space. */
static const char *http_request_line(struct http_request *r, const char *line)
{
	char major[2], minor[2];
	int target = 0, end = 0;

	if (sscanf(line,
		   "%*[" HTTP_TOKEN "]%*1[ ]%n%*[!-~]%*1[ ]"
		   "HTTP/%1[0-9].%1[0-9]%n",
		   &target, major, minor, &end) != 2 ||
	    line[end] != '\0')
		return http_bad;
	r->minor = *minor;
	r->last = *minor == '0';
	r->bare = strncmp(line, "HEAD ", 5) == 0;
	if (*major != '1')
		return "505 HTTP Version Not Supported";
	if (!r->bare && strncmp(line, "GET ", 4) != 0)
		return http_unknown;
	if (line[target] != '/' && strncasecmp(line + target, "http://", 7))
		return http_bad;
	return NULL;
}

static const char *http_field(struct http_request *r, char *line)
{
	size_t n = strlen(line), name = strspn(line, HTTP_TOKEN);
	char *value = line + name + 1, *last;

	if (name == 0 || line[name] != ':')
		return http_bad;
	line[name] = '\0';
	value += strspn(value, " \t");
	while (line + n > value && strchr(" \t", line[n - 1]))
		line[--n] = '\0';
	if (strcasecmp(line, "Host") == 0) {
		if (r->host || value[strspn(value, HTTP_HOST)])
			return http_bad;
		r->host = true;
	} else if (strcasecmp(line, "Content-Length") == 0) {
		if (r->sized || !*value || value[strspn(value, HTTP_DIGITS)])
			return http_bad;
		r->sized = true;
		r->content = strtoul(value, NULL, 10); /* or ULONG_MAX */
	} else if (strcasecmp(line, "Transfer-Encoding") == 0) {
		last = line + n - 7; /* or before the value, if that is short */
		if (strcasecmp(last, "chunked") ||
		    (last > value && !strchr(", \t", last[-1])))
			return http_bad;
		r->refusal =
			last > value ? http_unknown : "411 Length Required";
	} else if (strcasecmp(line, "Connection") == 0) {
		for (; *(value += strspn(value, ", \t")); value += n) {
			n = strcspn(value, ", \t");
			r->last |= n == 5 && !strncasecmp(value, "close", 5);
		}
	}
	return NULL;
}

/* A line of n bytes, its LF among them; as http_next(). */
static const char *http_line(struct http_request *r, char *line, size_t n)
{
	if (n < 2 || line[n - 2] != '\r')
		return http_bad;
	line[n - 2] = '\0';
	if (strlen(line) != n - 2 || strchr(line, '\r'))
		return http_bad;
	if (n > 2)
		return r->minor ? http_field(r, line) :
				  http_request_line(r, line);
	if (!r->minor)
		return NULL; /* an empty line before a request is allowed */
	if ((!r->host && r->minor > '0') ||
	    (r->refusal && (r->sized || r->minor == '0')))
		return http_bad;
	if (r->refusal)
		return r->refusal;
	return r->content > HTTP_CONTENT ? "413 Content Too Large" : http_good;
}

/* The status to answer with: http_good, or the last one.  NULL: incomplete. */
static const char *http_next(struct http_request *r, struct evbuffer *input)
{
	const char *status = NULL;
	ssize_t n;
	char *line;

	r->rest -= evbuffer_drain(input, r->rest);
	while (!status &&
	       (n = 1 + evbuffer_search_eol(input, 0, EVBUFFER_EOL_LF, NULL)) >
		       0 &&
	       (r->size += (size_t)n) <= HTTP_HEAD) {
		line = evbuffer_pullup(input, (size_t)n);
		if (!line)
			return "503 Service Unavailable";
		status = http_line(r, line, (size_t)n);
		evbuffer_drain(input, (size_t)n);
	}
	if (!status && r->size + evbuffer_get_length(input) >= HTTP_HEAD)
		status = r->minor ? "431 Request Header Fields Too Large" :
				    "414 URI Too Long";
	return status;
}

#endif
