/* SPDX-License-Identifier: MIT */

/* The version in its forms: the library's, the headers', and the numbers'. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <bufev.h>

static void library_and_headers_agree(void **unused)
{
	(void)unused;
	assert_string_equal(bufev_version(), BUFEV_VERSION);
}

static void the_numbers_are_those_of_the_string(void **unused)
{
	char version[32];

	(void)unused;
	snprintf(version, sizeof(version), "%d.%d.%d", BUFEV_VERSION_MAJOR,
		 BUFEV_VERSION_MINOR, BUFEV_VERSION_PATCH);
	assert_string_equal(version, BUFEV_VERSION);
}

static void one_number_grows_with_them(void **unused)
{
	(void)unused;
#if BUFEV_VERSION_NUMBER < 100
	fail_msg("the first version is 0.1.0");
#endif
	assert_int_equal(BUFEV_VERSION_NUMBER / 10000, BUFEV_VERSION_MAJOR);
	assert_int_equal(BUFEV_VERSION_NUMBER / 100 % 100, BUFEV_VERSION_MINOR);
	assert_int_equal(BUFEV_VERSION_NUMBER % 100, BUFEV_VERSION_PATCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(library_and_headers_agree),
		cmocka_unit_test(the_numbers_are_those_of_the_string),
		cmocka_unit_test(one_number_grows_with_them),
	};

	return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
