# Looks at the files of an installed package. Usage: perl files.pl PACKAGE
# perl-base is part of every Debian system; no module beyond it is used.
use strict;
use warnings;
$| = 1;
my $package = shift;
my @files = grep { -f $_ } map { chomp; $_ } qx(dpkg -L $package);
$? == 0 or die "dpkg -L $package failed\n";
my $path = qr{^(?:/usr)?/(?:s?bin|games)/[^/]+$};
my %count;
sub problem { print "problem\t$_[0]\n" }
sub note { print "note\t$_[0]\n" }
sub head { my ($file, $n) = @_; open my $f, '<:raw', $file or return ''; my $data = ''; read $f, $data, $n; return $data }
sub there { my $word = shift; return -x $word if $word =~ m{^/}; return grep { -x "$_/$word" } split /:/, $ENV{PATH} }
my %names = (4 => 'SIGILL', 5 => 'SIGTRAP', 6 => 'SIGABRT', 7 => 'SIGBUS', 8 => 'SIGFPE', 11 => 'SIGSEGV', 31 => 'SIGSYS');

# As nobody, away from the package's own places: what is asked for its version has no business there.
my $work = "/tmp/uml-smoke.$$";
mkdir $work; chmod 0777, $work; chdir $work;
my @as = ('env', "HOME=$work", 'TERM=dumb', 'setsid', '-w', 'timeout', '-k', '2', '10');
my @nobody = ('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups');

for my $file (@files) {
    my $start = head($file, 256);
    if ($start =~ /^#!\s*(\S+)(?:[ \t]+(\S+))?/ and -x $file) {
        my ($interpreter, $argument) = ($1, $2);
        $count{scripts}++;
        # Files for another init, or examples, may ask for what is not installed.
        my $say = $file =~ m{$path|^/etc/(?:init\.d|cron\.[a-z]+|network|dhcp)/} ? \&problem : \&note;
        if (!-e $interpreter) { $say->("$file asks for the interpreter $interpreter, which is not there") }
        elsif ($interpreter =~ m{/env$} and defined $argument and $argument !~ /^-/ and !there($argument)) { $say->("$file asks for the interpreter $argument, which is not in PATH") }
        elsif ($interpreter =~ m{/(?:ba|da)?sh$}) {
            my $said = qx($interpreter -n '$file' 2>&1 </dev/null);
            problem("$file is no shell script: " . (split /\n/, $said)[0]) if $? != 0 and length $said;
        }
    }

    my $elf = $start =~ /^\x7fELF\x02/;
    my $library = $file =~ m{^(?:/usr)?/lib/(?:x86_64-linux-gnu/)?lib[^/]*\.so[.0-9]*$};
    if ($elf and ($file =~ $path or $library)) {
        # What ldd does, without the shell around it.
        $count{libraries}++;
        my $said = qx(LD_TRACE_LOADED_OBJECTS=1 LD_WARN= /lib64/ld-linux-x86-64.so.2 '$file' 2>&1 </dev/null);
        for my $line (split /\n/, $said) {
            problem("$file needs the library $1, which is not there") if $line =~ /^\s*(\S+) => not found/;
            problem("$file: $1") if $line =~ /((?:version|symbol) \S+ not found.*)/;
        }
    }

    if ($file =~ $path and -x $file) {
        $count{programs}++;
        my $worst;
        for my $option ('--version', '--help') {
            my @mode = stat $file;
            my @user = $mode[2] & 1 && !($mode[2] & 06000) ? @nobody : ();
            my $pid = open(my $pipe, '-|') // die "fork: $!\n";
            if (!$pid) { open STDIN, '<', '/dev/null'; open STDERR, '>&', \*STDOUT; exec @as, @user, $file, $option; exit 127 }
            my $said = do { local $/; <$pipe> } // '';
            close $pipe;
            my $status = $? & 127 ? 128 + ($? & 127) : $? >> 8;
            my ($line) = grep { /\S/ } split /\n/, substr($said, 0, 4096);
            $line = defined $line ? substr($line, 0, 200) : '';
            $line =~ s/[^\x20-\x7e]/?/g;
            print "$file $option: status $status: $line\n";
            if ($status > 128 and $names{$status - 128}) { problem("$file $option crashed ($names{$status - 128})"); last }
            if ($status == 127 and $said =~ /(error while loading shared libraries:.*)/) { problem("$file: $1"); last }
            if ($status == 124 or $status == 137) { $worst = "$file $option went on for 10 s and was ended" }
            if ($status == 0) { $worst = undef; last }
            $worst //= "$file knows neither --version nor --help (status $status)";
        }
        note($worst) if defined $worst;
    }

    if ($file =~ m{^/usr/share/man/(?:.*/)?man[^/]*/[^/]+$}) {
        $count{'man pages'}++;
        my $text = $file =~ /\.gz$/ ? qx(gzip -dc '$file' 2>&1) : head($file, 1 << 20);
        if ($? != 0 and $file =~ /\.gz$/) { problem("the man page $file cannot be unpacked: " . (split /\n/, $text)[-1]) }
        elsif ($text !~ /^[.'][ \t]*(?:TH|Dt|so|SH|Sh)\b/m) { problem("the man page $file has no title (.TH or .Dt)") }
    }

    if ($file =~ m{^/usr/share/applications/.*\.desktop$}) {
        $count{'desktop files'}++;
        my ($group, %key) = ('');
        for (split /\n/, head($file, 1 << 20)) {
            if (/^\[(.*)\]\s*$/) { $group = $1 }
            elsif (/^\s*(?:#|$)/) { }
            elsif (/^([A-Za-z0-9-]+)(?:\[[^\]]*\])?\s*=\s*(.*)$/) { $key{$1} //= $2 if $group eq 'Desktop Entry' }
            else { problem("the desktop file $file has a line that is neither a key nor a group: $_"); last }
        }
        if (!defined $key{Type} or !defined $key{Name}) { problem("the desktop file $file has no " . (defined $key{Type} ? 'Name' : 'Type')) }
        elsif ($key{Type} eq 'Application' and !$key{DBusActivatable}) {
            my ($program) = ($key{TryExec} // $key{Exec} // '') =~ /^"?([^"\s]+)/;
            if (!defined $program) { problem("the desktop file $file has no Exec") }
            elsif (!there($program)) { problem("the desktop file $file starts $program, which is not there") }
        }
    }

    if ($file =~ m{^(?:/usr/share/bash-completion/completions|/etc/bash_completion\.d)/}) {
        $count{'completion files'}++;
        my $said = qx(bash -n '$file' 2>&1 </dev/null);
        problem("the completion $file is no shell script: " . (split /\n/, $said)[0]) if $? != 0;
    }
}

for my $link (map { chomp; $_ } qx(dpkg -L $package)) {
    note("the link $link leads to nothing") if -l $link and !-e $link;
}
note(join ', ', map { "$count{$_} $_" } sort keys %count) if %count;
chdir '/';
system 'rm', '-rf', $work;
