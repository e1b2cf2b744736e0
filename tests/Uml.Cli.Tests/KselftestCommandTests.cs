using System.Diagnostics;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Uml.CI.Cli.Tests;

/// <summary><c>uml kselftest</c> builds, installs and runs: here the targets of a made-up tree, whose makefiles do what the kernel's do.</summary>
public sealed class KselftestCommandTests : ToolTests, IDisposable
{
    // Make can work in no path with a blank.
    private readonly DirectoryInfo _plain = System.IO.Directory.CreateTempSubdirectory("uml-kselftest-");
    private readonly string _tree;
    private readonly Dictionary<string, string?> _environment;

    public KselftestCommandTests()
    {
        // What is built is this test's, the kernels are the user's.
        string store = Path.Combine(_plain.FullName, "store");
        System.IO.Directory.CreateDirectory(store);
        foreach (string entry in System.IO.Directory.GetFileSystemEntries(new KernelStore().Root).Where(e => Path.GetFileName(e) is not ("guests" or "objects" or "tmp" or "locks" or "logs")))
            File.CreateSymbolicLink(Path.Combine(store, Path.GetFileName(entry)), entry);
        _environment = new Dictionary<string, string?> { ["UML_CACHE"] = store };
        _tree = Path.Combine(_plain.FullName, "linux");
        Write("Makefile", """
            VERSION = 7
            PATCHLEVEL = 3
            SUBLEVEL = 0
            EXTRAVERSION = -made-up
            NAME = Made-up Selftests
            headers:
            	mkdir -p $(O)/usr/include/linux
            	echo '#define MADE_UP 7' > $(O)/usr/include/linux/made_up.h

            """);
        Write("Kbuild", "");
        Write("Kconfig", "");
        Write("arch/um/Makefile", "");
        Write("tools/testing/selftests/Makefile", """
            all:
            	for t in $(TARGETS); do mkdir -p $(O)/kselftest/$$t && $(MAKE) -C $$t OUTPUT=$(O)/kselftest/$$t HEADERS=$(O)/usr/include all || exit; done
            install: all
            	rm -f $(INSTALL_PATH)/kselftest-list.txt
            	for t in $(TARGETS); do mkdir -p $(INSTALL_PATH)/$$t && $(MAKE) -C $$t OUTPUT=$(O)/kselftest/$$t HEADERS=$(O)/usr/include INSTALL_PATH=$(INSTALL_PATH)/$$t LIST=$(INSTALL_PATH)/kselftest-list.txt T=$$t install || exit; done

            """);
        Target("built", "timeout=9", ("built", ""), compiled: true);
        Target("broken", "", ("never", "exit 0"));
        Write("tools/testing/selftests/broken/Makefile", "all:\n\tprintf '#include <popt.h-that-is-not>\\n' | gcc -c -o $(OUTPUT)/x.o -x c -\ninstall: all\n");
        Target("writes", "", ("writes", "exit 0"), before: "touch beside-the-source");
        Target("ends", "timeout=2",
            ("e0", "exit 0"), ("e1", "echo why; exit 1"), ("e2", "exit 2"), ("e3", "exit 3"), ("e4", "echo 'ok 1 # SKIP not today'; exit 4"), ("e124", "exit 124"),
            ("hangs", "sleep 600"), ("killed", "kill -SEGV $$"), ("leaves", "sleep 500 & exit 0"));
        Target("lies", "", ("lies", "echo 'TAP version 13'; echo '1..2'; echo 'ok 1 fine'; echo 'not ok 2 not fine'; exit 0"));
        Target("alone", "", ("networks", "[ \"$(readlink /proc/self/ns/net)\" != \"$(readlink /proc/1/ns/net)\" ]"));
        Target("dies", "", ("first", "exit 0"), ("panics", "echo c > /proc/sysrq-trigger; sleep 60"), ("last", "exit 0"));
    }

    public void Dispose() => _plain.Delete(recursive: true);

    [Fact]
    public async Task Targets_are_built_installed_and_run()
    {
        string before = Snapshot();
        Run run = await KselftestAsync("built", "writes", "--report-junit", this["r.xml"]);
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Contains("  PASS built\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("# Totals: pass:2 fail:0 xfail:0 xpass:0 skip:0 error:0\n", run.Output, StringComparison.Ordinal);
        Assert.Equal(["built.built", "writes.writes"], XDocument.Load(this["r.xml"]).Descendants("testcase").Select(t => ((string?)t.Attribute("name"))?.Split(' ')[0]));

        // Not even those that want to write beside their sources.
        Assert.Equal(before, Snapshot());
        Assert.Empty(System.IO.Directory.EnumerateDirectories(Path.Combine(_environment["UML_CACHE"]!, "tmp")));
    }

    [Fact]
    public async Task What_cannot_be_built_fails_the_run_by_name_and_the_others_run()
    {
        Run run = await KselftestAsync("broken", "built");
        Assert.True(run.ExitCode == 1, run.ToString());
        Assert.Contains("  PASS built\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("problem: the selftests \"broken\" cannot be built: popt.h-that-is-not is missing; all that make said is in ", run.Output, StringComparison.Ordinal);

        Run alone = await KselftestAsync("broken");
        Assert.True(alone.ExitCode == 125, alone.ToString());
        Assert.Contains("uml: no selftests can be built: broken: popt.h-that-is-not is missing", alone.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_that_is_none_gets_the_nearest()
    {
        Run target = await KselftestAsync("bulit");
        Assert.True(target.ExitCode == 125, target.ToString());
        Assert.Equal("uml: the source has no selftests \"bulit\" (tools/testing/selftests); the nearest is \"built\".\n", target.Error);
        Run test = await KselftestAsync("ends", "--test", "ends:e5", "--list");
        Assert.Equal(125, test.ExitCode);
        Assert.Contains("uml: there is no test \"ends:e5\"; the nearest are \"ends:e0\", \"ends:e1\" and \"ends:e2\"; --list names those there are\n", test.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ends_mean_what_they_mean_to_the_kernels_runner()
    {
        Run run = await KselftestAsync("ends");
        Assert.True(run.ExitCode == 1, run.ToString());
        Assert.Equal(
            ["PASS e0", "FAIL e1: exit status 1", "XFAIL e2", "FAIL e3: exit status 3, which stands for a pass that was not expected", "SKIP e4: ok 1 # SKIP not today",
                "TIMEOUT e124: it says that it took too long (exit status 124)", "TIMEOUT hangs: no end within 2 s", "FAIL killed: killed by signal 11", "PASS leaves"],
            run.Output.Split('\n').Where(l => Regex.IsMatch(l, "^  [A-Z]")).Select(l => l.Trim()));
        Assert.Contains("# Totals: pass:2 fail:5 xfail:1 xpass:0 skip:1 error:0\n", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Single_tests_are_named_and_run()
    {
        Run list = await KselftestAsync("--test", "ends:e0", "--test", "ends:e4", "--list");
        Assert.True(list.ExitCode == 0, list.ToString());
        Assert.Equal("ends:e0\nends:e4\n", list.Output);
        Run one = await KselftestAsync("--test", "ends:e0");
        Assert.True(one.ExitCode == 0, one.ToString());
        Assert.Contains("# Totals: pass:1 fail:0 ", one.Output, StringComparison.Ordinal);
        Run skipped = await KselftestAsync("--test", "ends:e4");
        Assert.True(skipped.ExitCode == 1, skipped.ToString());
        Assert.Contains("problem: no test ran: all 1 were skipped\n", skipped.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_that_is_well_while_its_tests_are_not_is_no_success()
    {
        Run run = await KselftestAsync("lies");
        Assert.True(run.ExitCode == 1, run.ToString());
        Assert.Contains("problem: lies:lies says that it is well, and 1 of its tests failed or gave no result\n", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_test_can_have_a_network_of_its_own()
    {
        Run run = await KselftestAsync("alone", "--netns");
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Contains("  PASS networks\n", run.Output, StringComparison.Ordinal);
        Run shared = await KselftestAsync("alone");
        Assert.True(shared.ExitCode == 1, shared.ToString());
        Assert.Contains("  FAIL networks", shared.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_test_that_takes_the_kernel_with_it_is_named_and_the_others_run()
    {
        Run run = await KselftestAsync("dies");
        Assert.True(run.ExitCode == 1, run.ToString());
        Assert.Contains("  PASS first\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("  CRASHED panics", run.Output, StringComparison.Ordinal);
        Assert.Contains("  PASS last\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("# Totals: pass:2 fail:1 ", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Interrupted_it_leaves_nothing()
    {
        using Process process = Start(["kselftest", "--source", _tree, "--test", "ends:hangs", "--timeout", "10m"], _environment);
        try
        {
            process.StandardInput.Close();
            Task<string> error = process.StandardError.ReadToEndAsync(Cancel);
            string? line;
            do
                line = await process.StandardOutput.ReadLineAsync(Cancel);
            while (line is not null and not "ends");
            Signal(process, 2);
            await process.WaitForExitAsync(Cancel);
            Assert.Equal("ends", line);
            Assert.True(process.ExitCode == 130, await error);
            Assert.EndsWith("uml: interrupted\n", await error, StringComparison.Ordinal);
        }
        finally
        {
            if (!process.HasExited)
                Signal(process, 15);
        }

        Assert.Empty(System.IO.Directory.EnumerateDirectories(Path.Combine(_environment["UML_CACHE"]!, "tmp")));
    }

    private Task<Run> KselftestAsync(params string[] arguments) => RunAsync(["kselftest", "--source", _tree, .. arguments], null, _environment);

    // A target with a makefile like the kernel's lib.mk: what is compiled goes to OUTPUT, scripts are where they are.
    private void Target(string name, string settings, (string Name, string Script) first, bool compiled = false, string before = "true") => Target(name, settings, [first], compiled, before);

    private void Target(string name, string settings, params (string Name, string Script)[] scripts) => Target(name, settings, scripts, false, "true");

    private void Target(string name, string settings, (string Name, string Script)[] scripts, bool compiled, string before)
    {
        string directory = $"tools/testing/selftests/{name}/";
        string programs = string.Join(' ', scripts.Select(s => s.Name));
        Write(directory + "settings", settings + "\n");
        if (compiled)
            Write(directory + $"{scripts[0].Name}.c", "#include <linux/made_up.h>\nint main(void) { return MADE_UP - 7; }\n");
        foreach ((string script, string text) in compiled ? [] : scripts)
        {
            Write(directory + script, $"#!/bin/sh\n{text}\n");
            File.SetUnixFileMode(Path.Combine(_tree, directory, script), (UnixFileMode)0x1ed);
        }

        string from = compiled ? string.Join(' ', scripts.Select(s => $"$(OUTPUT)/{s.Name}")) : programs;
        Write(directory + "Makefile", $"all:\n\t{before}\n\t{(compiled ? $"gcc -I$(HEADERS) -o $(OUTPUT)/{programs} {programs}.c" : "true")}\ninstall: all\n\tcp settings {from} $(INSTALL_PATH)/\n\tfor p in {programs}; do echo $(T):$$p >> $(LIST); done\n");
    }

    private string Snapshot() => string.Join('\n', System.IO.Directory.EnumerateFileSystemEntries(_tree, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal));

    private void Write(string name, string text)
    {
        string path = Path.Combine(_tree, name);
        System.IO.Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
