using System.Diagnostics;

namespace Uml.CI;

/// <summary>
/// A source tree that builds within a second: its makefile configures by copying what is asked for and compiles one C file to
/// something that calls itself a kernel. The compiler, the linker, git and tar are the real ones.
/// </summary>
internal sealed class FakeSource
{
    private readonly Scratch _scratch;

    public FakeSource(Scratch scratch, string name = "tree", string inAll = "", string inConfig = "")
    {
        _scratch = scratch;
        Path = scratch[name];
        scratch.Write(name + "/Makefile", $$"""
            # SPDX-License-Identifier: GPL-2.0
            VERSION = 7
            PATCHLEVEL = 9
            SUBLEVEL = 3
            EXTRAVERSION = -rc2
            all:
            	@echo '  CC      init/main.o'
            	{{inAll}}
            	cp main.c $(O)/main.c
            	cd $(O) && $(CC) $(KCFLAGS) -g -static -DCONFIG='"'$$(cksum <.config | tr ' ' -)'"' -DTEXT='"$(KBUILD_BUILD_TIMESTAMP) $(KBUILD_BUILD_USER)"' $(abspath main.c) -o linux && nm linux >System.map
            allnoconfig:
            	{{inConfig}}
            	@grep -v CONFIG_KCMP= $(KCONFIG_ALLCONFIG) >$(O)/.config; echo CONFIG_DROPPED=n >>$(O)/.config; grep -o CONFIG_KCMP=. $(KCONFIG_ALLCONFIG) >>$(O)/.config || true
            """.Replace("\r", "", StringComparison.Ordinal));
        scratch.Write(name + "/Kconfig", "config PRESENT\n\tbool \"present\"\n\tdepends on NEVER\n");
        scratch.Write(name + "/COPYING", "the licence\n");
        scratch.Write(name + "/main.c", """
            #include <stdio.h>
            const char banner[] = "Linux version 7.9.3-rc2 (uml@uml) (gcc) #1 SMP " TEXT, marker[] = "uml_dir=", file[] = __FILE__ CONFIG;
            int main(void) { return puts(banner) < 0 || puts(marker) < 0 || puts(file) < 0; }
            """);
        foreach (string tool in (string[])["flex", "bison", "bc", "perl", "awk", "make", "ld", "objcopy", "gcc"])
        {
            if (ExternalProgram.Find(tool) is null)
                scratch.Write("tools/" + tool, "#!/bin/sh\n", executable: true);
        }
    }

    public string Path { get; }

    public KernelReference Reference => KernelReference.Parse($"source:{Path}#fast");

    /// <summary>The machine, with tools that the fake tree does not use, and that may be missing, in place.</summary>
    public HostTools Host => new() { Variable = name => name switch { "PATH" => Search, "HOME" => _scratch.Path, _ => null } };

    public string Search => _scratch["tools"] + ":" + Environment.GetEnvironmentVariable("PATH");

    public KernelStore Store(string name = "store") => new(_scratch[name], Host);

    public string this[string file]
    {
        get => File.ReadAllText(System.IO.Path.Combine(Path, file));
        set => File.WriteAllText(System.IO.Path.Combine(Path, file), value);
    }

    public void Git(params string[] arguments) => Run("git", ["-C", Path, "-c", "user.name=x", "-c", "user.email=x@x.invalid", .. arguments]);

    public static void Run(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        start.Environment["GIT_COMMITTER_DATE"] = start.Environment["GIT_AUTHOR_DATE"] = "2024-02-03T04:05:06Z";
        using Process process = Process.Start(start)!;
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program}: {error}");
    }
}
