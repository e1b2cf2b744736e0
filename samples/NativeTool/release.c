#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* Prints the release of the kernel it runs on. With --at-least MAJOR.MINOR an older one is an error. */
int main(int argc, char **argv)
{
	struct utsname name;
	int major, minor, want_major, want_minor;

	if (uname(&name) < 0) {
		perror("release: error: uname");
		return 1;
	}
	puts(name.release);
	if (argc == 1)
		return 0;
	if (argc != 3 || strcmp(argv[1], "--at-least") || sscanf(argv[2], "%d.%d", &want_major, &want_minor) != 2 ||
	    sscanf(name.release, "%d.%d", &major, &minor) != 2) {
		fputs("usage: release [--at-least MAJOR.MINOR]\n", stderr);
		return 2;
	}
	if (major < want_major || (major == want_major && minor < want_minor)) {
		/* A line in this format becomes an error of the build. */
		printf("release: error: %s is older than %s\n", name.release, argv[2]);
		return 1;
	}
	return 0;
}
