/* SPDX-License-Identifier: MIT */
#ifndef BUFEV_NAMES_H
#define BUFEV_NAMES_H

/*
 * The link names.
 *
 * One process may hold libevent too (a language module, a resolver), and the
 * two libraries share a good part of their vocabulary.  So each public name
 * that does not already begin with bufev_ is given that prefix in the object
 * file, here: `evbuffer_new` in source code and in
 * documentation is `bufev_evbuffer_new` to the linker and to the debugger.
 *
 * Just bufev/sim.h renames its own names, for those alone who include it.  The
 * lists are complete; a test holds them against `nm -D`.
 */

#define evbuffer_new bufev_evbuffer_new
#define evbuffer_free bufev_evbuffer_free
#define evbuffer_get_length bufev_evbuffer_get_length
#define evbuffer_set_limit bufev_evbuffer_set_limit
#define evbuffer_add bufev_evbuffer_add
#define evbuffer_add_iovec bufev_evbuffer_add_iovec
#define evbuffer_add_printf bufev_evbuffer_add_printf
#define evbuffer_add_vprintf bufev_evbuffer_add_vprintf
#define evbuffer_prepend bufev_evbuffer_prepend
#define evbuffer_add_buffer bufev_evbuffer_add_buffer
#define evbuffer_remove_buffer bufev_evbuffer_remove_buffer
#define evbuffer_remove bufev_evbuffer_remove
#define evbuffer_copy bufev_evbuffer_copy
#define evbuffer_drain bufev_evbuffer_drain
#define evbuffer_peek bufev_evbuffer_peek
#define evbuffer_pullup bufev_evbuffer_pullup
#define evbuffer_expand bufev_evbuffer_expand
#define evbuffer_reserve bufev_evbuffer_reserve
#define evbuffer_commit bufev_evbuffer_commit
#define evbuffer_search bufev_evbuffer_search
#define evbuffer_search_eol bufev_evbuffer_search_eol
#define evbuffer_readln bufev_evbuffer_readln
#define evbuffer_readline bufev_evbuffer_readline
#define evbuffer_read bufev_evbuffer_read
#define evbuffer_write bufev_evbuffer_write

#define reactor_new bufev_reactor_new
#define reactor_default bufev_reactor_default
#define reactor_free bufev_reactor_free
#define reactor_run bufev_reactor_run
#define reactor_turn bufev_reactor_turn
#define reactor_stop bufev_reactor_stop
#define reactor_now bufev_reactor_now
#define reactor_backend bufev_reactor_backend
#define reactor_fork bufev_reactor_fork
#define reactor_get_fd bufev_reactor_get_fd
#define reactor_prepare bufev_reactor_prepare
#define reactor_watch_set bufev_reactor_watch_set
#define reactor_watch_stop bufev_reactor_watch_stop
#define reactor_timer_start bufev_reactor_timer_start
#define reactor_timer_stop bufev_reactor_timer_stop
#define reactor_signal_start bufev_reactor_signal_start
#define reactor_signal_stop bufev_reactor_signal_stop
#define reactor_post bufev_reactor_post
#define reactor_hold bufev_reactor_hold
#define reactor_release bufev_reactor_release

#define bufferevent_new bufev_bufferevent_new
#define bufferevent_new_on bufev_bufferevent_new_on
#define bufferevent_free bufev_bufferevent_free
#define bufferevent_get_read bufev_bufferevent_get_read
#define bufferevent_get_write bufev_bufferevent_get_write
#define bufferevent_set_read_watermarks bufev_bufferevent_set_read_watermarks
#define bufferevent_set_write_watermarks bufev_bufferevent_set_write_watermarks
#define bufferevent_get_read_watermarks bufev_bufferevent_get_read_watermarks
#define bufferevent_get_write_watermarks bufev_bufferevent_get_write_watermarks
#define bufferevent_set_timeouts bufev_bufferevent_set_timeouts
#define bufferevent_enable bufev_bufferevent_enable
#define bufferevent_disable bufev_bufferevent_disable
#define bufferevent_get_enabled bufev_bufferevent_get_enabled
#define bufferevent_write bufev_bufferevent_write
#define bufferevent_write_buffer bufev_bufferevent_write_buffer
#define bufferevent_is_full bufev_bufferevent_is_full
#define bufferevent_read bufev_bufferevent_read
#define bufferevent_flush bufev_bufferevent_flush
#define bufferevent_shutdown bufev_bufferevent_shutdown
#define bufferevent_finish bufev_bufferevent_finish
#define bufferevent_error bufev_bufferevent_error
#define bufferevent_what_string bufev_bufferevent_what_string
#define bufferevent_is_active bufev_bufferevent_is_active
#define bufferevent_get_fd bufev_bufferevent_get_fd
#define bufferevent_own_fd bufev_bufferevent_own_fd
#define bufferevent_set_data bufev_bufferevent_set_data
#define bufferevent_data bufev_bufferevent_data
#define bufferevent_set_name bufev_bufferevent_set_name
#define bufferevent_get_name bufev_bufferevent_get_name
#define bufferevent_set_callbacks bufev_bufferevent_set_callbacks
#define bufferevent_set_max_transfer bufev_bufferevent_set_max_transfer
#define bufferevent_get_reactor bufev_bufferevent_get_reactor

#define bufferevent_connect bufev_bufferevent_connect
#define bufferevent_listen bufev_bufferevent_listen
#define bufferevent_listener_free bufev_bufferevent_listener_free
#define bufferevent_listener_get_fd bufev_bufferevent_listener_get_fd

#endif
