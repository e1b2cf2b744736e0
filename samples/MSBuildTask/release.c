#include <stdio.h>
#include <sys/utsname.h>

/* Prints the release of the kernel it runs on. */
int main(void)
{
	struct utsname name;

	if (uname(&name) < 0) {
		perror("release: error: uname");
		return 1;
	}
	puts(name.release);
	return 0;
}
