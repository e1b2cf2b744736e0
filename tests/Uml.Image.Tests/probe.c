/* Prints what the kernel says of each path: type and mode, owner, device, links, size, time, target, attributes. Linked statically. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static void attributes(const char *path)
{
    char names[4096], value[4096];
    ssize_t all = llistxattr(path, names, sizeof names);
    for (ssize_t at = 0; at < all; at += strlen(names + at) + 1) {
        ssize_t length = lgetxattr(path, names + at, value, sizeof value);
        printf(" %s=", names + at);
        for (ssize_t i = 0; i < length; i++)
            printf("%02x", (unsigned char)value[i]);
    }
}

int main(int count, char **paths)
{
    for (int i = 1; i < count; i++) {
        struct stat s;
        char target[4096] = "";
        if (lstat(paths[i], &s) != 0) {
            printf("%s: missing\n", paths[i]);
            continue;
        }

        printf("%s: %o %u:%u links %lu size %ld time %ld", paths[i], s.st_mode, s.st_uid, s.st_gid, (unsigned long)s.st_nlink,
               S_ISREG(s.st_mode) ? (long)s.st_size : 0L, (long)s.st_mtime);
        if (S_ISCHR(s.st_mode) || S_ISBLK(s.st_mode))
            printf(" device %u:%u", major(s.st_rdev), minor(s.st_rdev));
        if (S_ISLNK(s.st_mode) && readlink(paths[i], target, sizeof target - 1) > 0)
            printf(" -> %s", target);
        attributes(paths[i]);
        printf("\n");
    }

    return 0;
}
