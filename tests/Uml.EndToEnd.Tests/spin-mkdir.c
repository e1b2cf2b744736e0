/*
 * Makes directories in argv[1] as fast as it can, in ten processes. In a guest they go into the guest's own layer; a
 * process that got loose on the host would make them there.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char path[4096];

	if (argc != 2)
		return 2;
	for (int i = 0; i < 9 && fork() > 0; i++)
		;
	puts("spinning");
	fflush(stdout);
	for (unsigned n = 0;; n++) {
		snprintf(path, sizeof(path), "%s/%d-%u", argv[1], (int)getpid(), n % 1000);
		mkdir(path, 0777);
		rmdir(path);
		if (n % 3 == 0)
			mkdir(path, 0777);
	}
}
