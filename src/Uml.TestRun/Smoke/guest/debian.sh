# What is done to a guest of Debian to test a package. Usage: sh debian.sh VERB [ARGUMENT...]
# Problems are written as lines "problem<TAB>text", what is worth knowing as "note<TAB>text"; all else is the log.
here=/opt/uml-smoke
tab=$(printf '\t')
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8 HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
problem() { printf 'problem\t%s\n' "$1"; }
note() { printf 'note\t%s\n' "$1"; }
installed() { dpkg-query -W -f='${db:Status-Abbrev}\t${Package}\n' 2>/dev/null | sed -n "s/^ii *$tab//p" | sort -u; }
verb=$1
shift
case $verb in
prepare)
    # Nobody needs the guest after a power cut: dpkg does not wait for the disk. The user that apt downloads as cannot read a share of the host.
    printf '%s\n' 'APT::Sandbox::User "root";' 'APT::Get::Assume-Yes "true";' "APT::Install-Recommends \"$1\";" 'APT::Install-Suggests "0";' \
        'Acquire::Languages "none";' 'Dpkg::Use-Pty "0";' 'Dpkg::Options { "--force-unsafe-io"; };' > /etc/apt/apt.conf.d/90uml-smoke
    rm -f /etc/apt/sources.list.d/*
    echo "deb [trusted=yes] file:$here/repo ./" > /etc/apt/sources.list
    apt-get -q update || exit
    installed > /run/uml-smoke.packages
    dpkg-divert --list | sort > /run/uml-smoke.diversions
    ;;
install)
    exec apt-get -q --allow-downgrades install "$1=$2"
    ;;
remove)
    apt-get -q remove "$1" || exit
    case $(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null) in i*) problem "apt-get removed $1, but it is still installed" ;; esac
    ;;
purge)
    apt-get -q purge "$1" || exit
    apt-get -q --purge autoremove || exit
    # What is not marked as a dependency, as of a package that came without apt, goes too.
    rest=$(installed | comm -13 /run/uml-smoke.packages -)
    [ -z "$rest" ] || { note "not removed with it: $(echo $rest)"; apt-get -q purge $rest || exit; }
    gone=$(installed | comm -23 /run/uml-smoke.packages -)
    [ -z "$gone" ] || note "removed from the system for it: $(echo $gone)"
    case $(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null) in ''|un*) ;; *) problem "$1 is not purged: $(dpkg-query -W -f='${Status}' "$1")" ;; esac
    ;;
audit)
    audit=$(dpkg --audit)
    [ -z "$audit" ] || { echo "$audit"; problem "dpkg --audit complains: $(echo "$audit" | head -n 1)"; }
    ;;
snapshot)
    exec find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp -o -path $here \) -prune -o -printf '%y\t%m\t%U\t%G\t%s\t%T@\t%p\t%l\0'
    ;;
state)
    # What a file list does not show. Lines "user|group|diversion|listener|failed <TAB> value".
    cut -d: -f1,3 /etc/passwd | sed "s/^/user$tab/"
    cut -d: -f1,3 /etc/group | sed "s/^/group$tab/"
    dpkg-divert --list | sed "s/^/diversion$tab/"
    systemctl list-units --all --failed --no-legend --plain 2>/dev/null | sed "s/ .*//; s/^/failed$tab/"
    ss -Hlntup 2>/dev/null | awk '{ print "listener\t" $1 " " $5 " " $7 }' | sed 's/users:((//; s/"//g; s/,.*//'
    ;;
running)
    # Programs that run although their file is gone, and what still runs in a unit that nobody has any more.
    for p in /proc/[0-9]*; do
        exe=$(readlink $p/exe 2>/dev/null) || continue
        unit=$(sed -n 's|^0::.*/\([^/]*\.service\)$|\1|p' $p/cgroup 2>/dev/null)
        case $exe in
        *' (deleted)') problem "${exe% (deleted)} still runs (process ${p#/proc/}) although it is gone" ;;
        *) [ -z "$unit" ] || [ "$(systemctl show -P LoadState "$unit" 2>/dev/null)" != not-found ] || problem "a process of the removed $unit still runs: $(tr '\0' ' ' < $p/cmdline)" ;;
        esac
    done
    ;;
units)
    # The units of the packages that were not there before, a line each: unit, package.
    installed | comm -13 /run/uml-smoke.packages - | while read -r package; do
        dpkg -L "$package" 2>/dev/null | sed -n -E -e 's#^/(usr/)?lib/systemd/system/([^/]*\.(service|socket|timer|path))$#\2#p' -e 's#^/etc/init\.d/([^/]*)$#\1.service#p' | sort -u | sed "s/\$/$tab$package/"
    done
    ;;
conffiles)
    dpkg-query -W -f='${Conffiles}\n' "$1" | while read -r file sum obsolete; do
        [ -n "$file" ] && [ "$obsolete" != obsolete ] || continue
        echo "$file $sum"
        if [ ! -e "$file" ]; then problem "the conffile $file is missing"
        elif [ "$(md5sum < "$file" | cut -d' ' -f1)" != "$sum" ]; then problem "the conffile $file is not as it was shipped: a maintainer script changed it, so upgrades will ask"
        fi
    done
    ;;
files)
    exec perl $here/files.pl "$1"
    ;;
*)
    echo "unknown verb $verb" >&2
    exit 2
    ;;
esac
