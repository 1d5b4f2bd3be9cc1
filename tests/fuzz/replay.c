/* SPDX-License-Identifier: MIT */

/*
 * fuzz-NAME PATH...: runs the fuzzer over these inputs, and over all files of
 * those that are directories.  It is its main() where it is built without
 * libFuzzer.
 */

#include <dirent.h>
#include <string.h>

#include "fuzz.h"

static uint8_t bytes[1 << 20];
static int inputs;

static bool replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	size_t n;

	if (!file) {
		perror(path);
		return false;
	}
	n = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	printf("%s, %zu bytes\n", path, n);
	fflush(stdout);
	LLVMFuzzerTestOneInput(bytes, n);
	inputs++;
	return true;
}

static bool replay(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	bool ok = true;
	char name[4096];

	if (!directory)
		return replay_file(path);
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		ok &= replay_file(name);
	}
	closedir(directory);
	return ok;
}

int main(int argc, char **argv)
{
	bool ok = true;

	for (int i = 1; i < argc; i++)
		ok &= replay(argv[i]);
	printf("inputs: %d\n", inputs);
	return ok && inputs > 0 ? 0 : 1;
}
