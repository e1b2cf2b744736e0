using System.Diagnostics;
using System.Text.Json;
using Xunit;

namespace Uml.CI;

/// <summary>The way from a source to a kernel in the store, with a source that builds within a second.</summary>
public sealed class KernelBuildTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static Task<BuiltKernel> BuildAsync(FakeSource source, KernelBuildOptions? options = null, string store = "store") =>
        source.Store(store).BuildAsync(source.Reference, options, Cancelled);

    private static async Task<string> FailsAsync(FakeSource source, KernelBuildOptions? options = null, KernelReference? reference = null)
    {
        string message = (await Assert.ThrowsAsync<KernelException>(() => source.Store().BuildAsync(reference ?? source.Reference, options, Cancelled))).Message;
        Assert.DoesNotContain('\n', message);
        AssertNothingLeft(source.Store().Root);
        return message;
    }

    private static void AssertNothingLeft(string store)
    {
        // What is refused at once does not even make the directory.
        string temporary = Path.Combine(store, "tmp");
        if (Directory.Exists(temporary))
            Assert.Equal(["gate"], Directory.EnumerateFileSystemEntries(temporary).Select(Path.GetFileName));
    }

    [Fact]
    public async Task A_tree_becomes_a_kernel_in_the_store()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        Reports reports = new();
        BuiltKernel built = await BuildAsync(source, new KernelBuildOptions { Progress = reports });
        Assert.Equal(("7.9.3-rc2", false, source.Reference), (built.Kernel.Release, built.WasPresent, built.Reference));
        Assert.Equal(
            ["COPYING", "System.map", "build.json", "config", "fragments/base.config", "fragments/fast.config", "kernel.json", "linux", "linux.debug", "manifest.json"],
            Directory.EnumerateFiles(built.Directory, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(built.Directory, f)).Order(StringComparer.Ordinal));
        KernelRecord record = JsonSerializer.Deserialize(File.ReadAllText(Path.Combine(built.Directory, "build.json")), KernelJson.Default.KernelRecord)!;
        Assert.Equal(("7.9.3-rc2", "7.9.3-rc2", "tree", "source:tree"), (record.Version, record.Release, record.Source.Name, record.Source.Reference));
        Assert.Equal(["fast"], record.Profiles);
        Assert.Equal(["base.config", "fast.config"], record.Fragments.Select(f => f.Name));
        Assert.Contains("gcc", record.Compiler, StringComparison.Ordinal);
        Assert.Contains("ld", record.Linker, StringComparison.Ordinal);
        Assert.All((string[])[File.ReadAllText(Path.Combine(built.Directory, "build.json")), File.ReadAllText(Path.Combine(built.Directory, "config"))], text => Assert.DoesNotContain(scratch.Path, text, StringComparison.Ordinal));
        Assert.Contains(reports.All, r => r is { FilesDone: 1, FilesTotal: > 1 });
        Assert.Contains(new KernelStore(scratch["store"]).List(), k => k.References.Contains(source.Reference.ToString()));
        Assert.Empty(source.Store().Verify(Assert.Single(source.Store().List())));
        AssertNothingLeft(scratch["store"]);

        // What was found is found again by a run, too, which builds nothing.
        Assert.Equal(built.Kernel.ExecutablePath, (await source.Store().ResolveAsync(source.Reference, new KernelResolveOptions { Offline = true }, Cancelled)).ExecutablePath);
    }

    [Fact]
    public async Task Equal_inputs_are_built_once_and_an_edit_is_built_anew()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        BuiltKernel first = await BuildAsync(source);
        Assert.True((await BuildAsync(source)).WasPresent);
        Assert.False((await BuildAsync(source, new KernelBuildOptions { Force = true })).WasPresent);

        source["main.c"] = source["main.c"].Replace("#1 SMP", "#1 PREEMPT", StringComparison.Ordinal);
        BuiltKernel second = await BuildAsync(source);
        Assert.False(second.WasPresent);
        Assert.NotEqual(first.Kernel.Sha256, second.Kernel.Sha256);
        Assert.NotEqual(first.Record.Inputs, second.Record.Inputs);
        Assert.Equal(second.Kernel.Sha256, source.Store().Find(source.Reference)!.Sha256);
    }

    [Fact]
    public async Task A_damaged_kernel_is_built_anew()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        BuiltKernel first = await BuildAsync(source);
        File.AppendAllText(Path.Combine(first.Directory, "System.map"), "x");
        BuiltKernel second = await BuildAsync(source);
        Assert.False(second.WasPresent);
        Assert.Empty(source.Store().Verify(Assert.Single(source.Store().List())));
    }

    [Fact]
    public async Task The_same_source_elsewhere_makes_the_same_bytes()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        FakeSource other = new(scratch, "another/place/tree");
        foreach (string file in Directory.EnumerateFiles(source.Path).Concat(Directory.EnumerateFiles(other.Path)))
            File.SetLastWriteTimeUtc(file, new DateTime(2024, 2, 3, 4, 5, 6, DateTimeKind.Utc));
        BuiltKernel one = await BuildAsync(source);
        BuiltKernel two = await BuildAsync(other, new KernelBuildOptions { Jobs = 1 }, "another store".Replace(' ', '-'));
        Assert.Equal(["kernel.json"], DirectoryComparison.Differences(one.Directory, two.Directory)); // when it was made
        Assert.Equal(1706933106, one.Record.SourceDateEpoch);
        Assert.Contains("Sat Feb 3 04:05:06 UTC 2024 uml", one.Kernel.Banner, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Twice_finds_what_is_not_reproducible()
    {
        using Scratch scratch = new();
        Assert.True((await BuildAsync(new FakeSource(scratch), new KernelBuildOptions { Twice = true })).BuiltTwice);
        FakeSource random = new(scratch, "random", inConfig: "@head -c 8 /dev/urandom | od -An -tx1 | sed 's/^/# /' >>$(KCONFIG_ALLCONFIG)");
        string message = await FailsAsync(random, new KernelBuildOptions { Twice = true });
        Assert.Matches("is not reproducible: built twice, .*config.* differ", message);
    }

    [Fact]
    public async Task A_git_tree_tells_its_commit_and_whether_it_was_changed()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        source.Git("init", "-q");
        source.Git("add", ".");
        source.Git("commit", "-q", "-m", "x");
        string index = Convert.ToHexString(File.ReadAllBytes(source.Path + "/.git/index"));
        KernelRecord clean = (await BuildAsync(source)).Record;
        Assert.Matches("^[0-9a-f]{40}$", clean.Source.Commit);
        Assert.Equal((false, null, 1706933106L), (clean.Source.Modified, clean.Source.Sha256, clean.SourceDateEpoch));

        source["new.h"] = "#define NEW\n";
        KernelRecord dirty = (await BuildAsync(source)).Record;
        Assert.Equal((true, clean.Source.Commit), (dirty.Source.Modified, dirty.Source.Commit));
        Assert.NotNull(dirty.Source.Sha256);
        source["new.h"] = "#define NEW 2\n";
        Assert.NotEqual(dirty.Inputs, (await BuildAsync(source)).Record.Inputs);
        File.Delete(source.Path + "/new.h");
        Assert.True((await BuildAsync(source)).WasPresent);

        // A work tree within it is one name to git.
        Directory.CreateDirectory(source.Path + "/nested");
        FakeSource.Run("git", "-C", source.Path + "/nested", "init", "-q");
        source["nested/a.h"] = "1";
        string nested = (await BuildAsync(source)).Record.Inputs;
        source["nested/a.h"] = "2";
        Assert.NotEqual(nested, (await BuildAsync(source)).Record.Inputs);

        // Nothing was written in the tree, not even git's index.
        Assert.Equal(index, Convert.ToHexString(File.ReadAllBytes(source.Path + "/.git/index")));
    }

    [Theory]
    [InlineData("tar", "-cf")]
    [InlineData("tar.gz", "-czf")]
    [InlineData("tar.xz", "-cJf")]
    [InlineData("tar.bz2", "-cjf")]
    public async Task A_tarball_is_unpacked_once(string ending, string option)
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        if (BuildTool.Unpacker("x." + ending) is { Name.Length: > 0 } tool && ExternalProgram.Find(tool.Name) is null)
            Assert.Skip($"{tool.Name} is not installed");
        FakeSource.Run("tar", option, scratch["a." + ending], "-C", scratch.Path, "tree");
        KernelReference reference = KernelReference.Parse($"source:{scratch["a." + ending]}#fast");
        BuiltKernel built = await source.Store().BuildAsync(reference, null, Cancelled);
        Assert.Equal(("a." + ending, 64), (built.Record.Source.Name, built.Record.Source.Sha256!.Length));

        Reports reports = new();
        await source.Store().BuildAsync(KernelReference.Parse($"source:{scratch["a." + ending]}#distro"), new KernelBuildOptions { Progress = reports }, Cancelled);
        Assert.DoesNotContain(reports.All, r => r.Stage.StartsWith("unpacking", StringComparison.Ordinal));
        AssertNothingLeft(scratch["store"]);
    }

    [Fact]
    public async Task Options_of_the_users_own_have_a_kernel_of_their_own()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        BuiltKernel plain = await BuildAsync(source);
        KernelBuildOptions own = new() { Fragments = [scratch.Write("my own.config", "CONFIG_PRIVATE=y\n")], Settings = ["CONFIG_NUMBER=5"] };
        BuiltKernel built = await BuildAsync(source, own);
        Assert.Equal(KernelSource.File, built.Reference.Source);
        Assert.Equal(Path.Combine(built.Directory, "linux"), built.Reference.Value);
        string config = File.ReadAllText(Path.Combine(built.Directory, "config"));
        Assert.Contains("CONFIG_PRIVATE=y\n", config, StringComparison.Ordinal);
        Assert.Contains("CONFIG_NUMBER=5\n", config, StringComparison.Ordinal);
        Assert.Equal(["base.config", "fast.config", "own1-my own.config", "set.config"], built.Record.Fragments.Select(f => f.Name));

        // The reference stands for what it says.
        Assert.Equal(plain.Kernel.Sha256, source.Store().Find(source.Reference)!.Sha256);
    }

    [Fact]
    public async Task What_options_name_is_part_of_the_kernel()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        scratch.Write("init/file", "1");
        KernelBuildOptions own = new() { Settings = [$"CONFIG_INITRAMFS_SOURCE=\"{scratch["init"]}\""] };
        string first = (await BuildAsync(source, own)).Record.Inputs;
        Assert.True((await BuildAsync(source, own)).WasPresent);
        scratch.Write("init/file", "2");
        Assert.NotEqual(first, (await BuildAsync(source, own)).Record.Inputs);
    }

    [Fact]
    public async Task A_compiler_is_found_by_its_path_and_recorded_by_its_name()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        string compiler = scratch.Write("compilers/my-gcc", "#!/bin/sh\nexec gcc \"$@\"\n", executable: true);
        KernelRecord record = (await BuildAsync(source, new KernelBuildOptions { Compiler = Path.GetRelativePath(Directory.GetCurrentDirectory(), compiler) })).Record;
        Assert.Contains("CC=my-gcc", record.MakeArguments);
        Assert.DoesNotContain(record.MakeArguments, a => a.Contains("compilers", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Options_that_do_not_survive_are_named_with_the_reason()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch, inConfig: "@sed -i '/PRESENT\\|ABSENT/d' $(KCONFIG_ALLCONFIG)");
        string message = await FailsAsync(source, new KernelBuildOptions { Settings = ["CONFIG_PRESENT=y", "ABSENT=y"] });
        Assert.Contains("2 options that were asked for did not survive configuration", message, StringComparison.Ordinal);
        Assert.Contains("CONFIG_PRESENT=y (--set) is n: it depends on NEVER, which is n", message, StringComparison.Ordinal);
        Assert.Contains("CONFIG_ABSENT=y (--set) is n: there is no such option", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_compiler_error_is_one_line_and_a_whole_log()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        source["main.c"] += "int broken(void) { return nothing; }\n";
        string message = await FailsAsync(source);
        Assert.Matches(@"cannot be built: .*main\.c:\d+:\d+: error: .nothing. undeclared.*; all that make said is in .*\.log\.$", message);
        Assert.Contains("  CC      init/main.o", File.ReadAllText(message[(message.LastIndexOf(' ') + 1)..].TrimEnd('.')), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_makes_no_sense_is_refused()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        Assert.Contains("does not exist", await FailsAsync(source, null, KernelReference.Parse($"source:{scratch["none"]}#fast")), StringComparison.Ordinal);
        Assert.Contains("neither a directory nor a tarball", await FailsAsync(source, null, KernelReference.Parse($"source:{source.Path}/main.c#fast")), StringComparison.Ordinal);
        Assert.Contains("is no source of a Linux kernel", await FailsAsync(source, null, KernelReference.Parse($"source:{Directory.CreateDirectory(scratch["empty"]).FullName}#fast")), StringComparison.Ordinal);
        Assert.Contains("no kernel profile 'quick'", await FailsAsync(source, null, KernelReference.Parse($"source:{source.Path}#quick")), StringComparison.Ordinal);
        Assert.Contains("cannot be unpacked", await FailsAsync(source, null, KernelReference.Parse($"source:{scratch.Write("bad.tar", "no tarball")}#fast")), StringComparison.Ordinal);
        Assert.Contains("cannot be read", await FailsAsync(source, new KernelBuildOptions { Fragments = [scratch["none.config"]] }), StringComparison.Ordinal);
        Directory.CreateDirectory(source.Path + "/include/config");
        Assert.Contains("has been built in place", await FailsAsync(source), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_git_tree_that_was_built_in_place_is_built_all_the_same()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        source[".gitignore"] = "/.config\n/stale.h\n";
        Directory.CreateDirectory(source.Path + "/headers");
        source["headers/answer.h"] = "#define ANSWER 42\n";
        File.CreateSymbolicLink(source.Path + "/linked", "headers");
        source["main.c"] = "#include \"linked/answer.h\"\n" + source["main.c"];
        source.Git("init", "-q");
        source.Git("add", ".");
        source.Git("commit", "-q", "-m", "x");
        source[".config"] = "CONFIG_OLD=y\n";
        source["stale.h"] = "";
        source["Makefile"] = source["Makefile"].Replace("all:\n", "all:\n\ttest ! -e .config -a ! -e stale.h\n\tcp -rL linked $(O)/\n", StringComparison.Ordinal);
        Assert.False((await BuildAsync(source)).WasPresent);
    }

    [Fact]
    public async Task Places_that_make_cannot_work_in_are_no_obstacle()
    {
        using Scratch scratch = new("uml kernel: tests ü");
        FakeSource source = new(scratch, "a tree", inAll: "case $(O)$(CURDIR) in *[\\ :]*) false;; esac");
        BuiltKernel built = await BuildAsync(source, null, "a store");
        Assert.StartsWith(scratch["a store"], built.Directory, StringComparison.Ordinal);
        string root = $"/var/tmp/uml-build-{Native.UserId}";
        AssertNothingLeft(root);

        // Nobody looks there, so that it is for the store to see to.
        string[] made = [.. Directory.GetDirectories(root + "/objects").Where(d => new FileInfo(d + "/tree/main.c").LinkTarget == source.Path + "/main.c")];
        Directory.SetLastWriteTimeUtc(Assert.Single(made), DateTime.UtcNow - TimeSpan.FromDays(400));
        Assert.Contains(await source.Store("a store").PruneAsync(new KernelPruneOptions { UnusedFor = TimeSpan.FromDays(399) }, Cancelled), g => g.Name == "object files of a tree");
        Assert.False(Directory.Exists(made[0]));
        AssertNothingLeft(root);
    }

    [Fact]
    public async Task A_tree_that_cannot_be_written_is_built()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        FakeSource.Run("chmod", "-R", "a-w", source.Path);
        string[] before = [.. Directory.EnumerateFileSystemEntries(source.Path, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
        Assert.False((await BuildAsync(source)).WasPresent);
        Assert.Equal(before, Directory.EnumerateFileSystemEntries(source.Path, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Missing_tools_are_all_named_at_once_before_anything_is_done()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        foreach (string tool in (string[])["gcc", "ld", "objcopy", "perl", "awk"])
            File.CreateSymbolicLink(Path.Combine(Directory.CreateDirectory(scratch["few"]).FullName, tool), ExternalProgram.Find(tool)!);
        HostTools host = new() { Variable = name => name == "PATH" ? scratch["few"] : null };
        Reports reports = new();
        KernelException e = await Assert.ThrowsAsync<KernelException>(
            () => new KernelStore(scratch["store"], host).BuildAsync("debian-source:7.3", new KernelBuildOptions { Progress = reports, Settings = ["CONFIG_MODULE_SIG=y"] }, Cancelled));
        Assert.Matches("^debian-source:7.3#fast cannot be built: make, flex, bison, bc, tar, xz, openssl.* are missing; install them with: apt-get install make flex bison bc tar xz-utils openssl", e.Message);
        Assert.Equal(KernelProblem.Unavailable, e.Problem);
        Assert.Empty(reports.All);
    }

    [Fact]
    public async Task Nothing_of_the_environment_gets_in()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch, inAll: "test -z \"$$CPATH$$CFLAGS$$KCONFIG_CONFIG$$UML_CACHE$$KBUILD_OUTPUT\" -a \"$$LC_ALL\" = C -a \"$$TZ\" = UTC");
        using Process other = OtherProcess.Start(
            scratch["store"], source.Reference.ToString(), null, ("PATH", source.Search), ("CPATH", "/x"), ("CFLAGS", "-DX"), ("KCONFIG_CONFIG", "/x"), ("UML_CACHE", scratch["x"]),
            ("KBUILD_OUTPUT", "/x"), ("MAKEFLAGS", "-n"), ("LC_ALL", "de_DE.UTF-8"), ("TZ", "Asia/Tokyo"), ("GCC_EXEC_PREFIX", "/x/"));
        string error = await other.StandardError.ReadToEndAsync(Cancelled);
        await other.WaitForExitAsync(Cancelled);
        Assert.True(other.ExitCode == 0, error);
    }

    [Fact]
    public async Task Many_who_build_the_same_end_with_one_kernel_built_once()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch, inAll: $"echo built >>'{scratch["count"]}'; sleep 1");
        Process[] others = [.. Enumerable.Range(0, 10).Select(_ => OtherProcess.Start(scratch["store"], source.Reference.ToString(), null, ("PATH", source.Search)))];
        foreach (Process other in others)
        {
            string output = await other.StandardOutput.ReadToEndAsync(Cancelled), error = await other.StandardError.ReadToEndAsync(Cancelled);
            await other.WaitForExitAsync(Cancelled);
            Assert.True(other.ExitCode == 0, error);
            Assert.EndsWith("/linux", output.Trim(), StringComparison.Ordinal);
            other.Dispose();
        }

        Assert.Equal(["built"], File.ReadAllLines(scratch["count"]));
        Assert.Empty(source.Store().Verify(Assert.Single(source.Store().List())));
        AssertNothingLeft(scratch["store"]);
    }

    [Fact]
    public async Task A_build_whose_process_is_killed_leaves_nothing_running_and_a_retry_succeeds()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch, inAll: $"test -e '{scratch["go"]}' || {{ echo $$$$ >'{scratch["pid"]}'; sleep 1000; }}");
        using (Process other = OtherProcess.Start(scratch["store"], source.Reference.ToString(), null, ("PATH", source.Search)))
        {
            await EventuallyAsync(() => File.Exists(scratch["pid"]) && File.ReadAllText(scratch["pid"]).EndsWith('\n'));
            other.Kill();
            await other.WaitForExitAsync(Cancelled);
        }

        int builder = int.Parse(File.ReadAllText(scratch["pid"]), System.Globalization.CultureInfo.InvariantCulture);
        await EventuallyAsync(() => !Directory.Exists($"/proc/{builder}"));
        File.WriteAllText(scratch["go"], "");
        Assert.False((await BuildAsync(source)).WasPresent);
        AssertNothingLeft(scratch["store"]);
    }

    [Fact]
    public async Task A_cancelled_build_ends_at_once_with_all_it_started()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch, inAll: $"echo $$$$ >'{scratch["pid"]}'; sleep 1000");
        using CancellationTokenSource stop = new();
        Task<BuiltKernel> build = source.Store().BuildAsync(source.Reference, new KernelBuildOptions { Force = true }, stop.Token);
        await EventuallyAsync(() => File.Exists(scratch["pid"]) && File.ReadAllText(scratch["pid"]).EndsWith('\n'));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => build);
        int builder = int.Parse(File.ReadAllText(scratch["pid"]), System.Globalization.CultureInfo.InvariantCulture);
        await EventuallyAsync(() => !Directory.Exists($"/proc/{builder}"));
        AssertNothingLeft(scratch["store"]);
    }

    [Fact]
    public async Task A_changed_tree_is_not_taken_for_what_was_built_of_it()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        source.Git("init", "-q");
        source.Git("add", ".");
        source.Git("commit", "-q", "-m", "x");
        BuiltKernel first = await BuildAsync(source);
        Reports reports = new();
        Assert.Equal(first.Kernel.Sha256, (await source.Store().ResolveAsync(source.Reference, new KernelResolveOptions { Progress = reports }, Cancelled)).Sha256);
        Assert.Empty(reports.All);

        source["main.c"] = source["main.c"].Replace("#1 SMP", "#1 PREEMPT", StringComparison.Ordinal);
        Assert.Equal(first.Kernel.Sha256, (await source.Store().ResolveAsync(source.Reference, new KernelResolveOptions { Offline = true, Progress = reports }, Cancelled)).Sha256);
        Assert.Contains("was changed since", Assert.Single(reports.All, r => r.IsWarning).Stage, StringComparison.Ordinal);
        GuestKernel second = await source.Store().ResolveAsync(source.Reference, null, Cancelled);
        Assert.NotEqual(first.Kernel.Sha256, second.Sha256);
    }

    [Fact]
    public async Task Sources_and_object_files_are_pruned()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        await BuildAsync(source);
        FakeSource.Run("tar", "-cf", scratch["a.tar"], "-C", scratch.Path, "tree");
        KernelReference tarball = KernelReference.Parse($"source:{scratch["a.tar"]}#fast");
        await source.Store().BuildAsync(tarball, null, Cancelled);
        DateTime old = DateTime.UtcNow - TimeSpan.FromDays(2);
        string neverUnpacked = scratch.Write($"store/sources/{new string('a', 64)}.tar.xz", "");
        foreach (string description in Directory.EnumerateFiles(scratch["store/sources"]))
            File.SetLastWriteTimeUtc(description, old);
        foreach (string objects in Directory.EnumerateDirectories(scratch["store/objects"]))
            Directory.SetLastWriteTimeUtc(objects, old);
        IReadOnlyList<PrunedItem> gone = await source.Store().PruneAsync(new KernelPruneOptions { UnusedFor = TimeSpan.FromDays(1) }, Cancelled);
        Assert.Equal(["object files of a tree", "source a.tar", "source aaaaaaaaaaaa"], gone.Select(g => g.Name).Order(StringComparer.Ordinal));
        Assert.False(File.Exists(neverUnpacked));
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch["store/sources"]));
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch["store/objects"]));
        Assert.False((await source.Store().BuildAsync(tarball, new KernelBuildOptions { Force = true }, Cancelled)).WasPresent);
    }

    [Fact]
    public async Task Offline_builds_nothing()
    {
        using Scratch scratch = new();
        FakeSource source = new(scratch);
        KernelException e = await Assert.ThrowsAsync<KernelException>(() => source.Store().ResolveAsync(source.Reference, new KernelResolveOptions { Offline = true }, Cancelled));
        Assert.Contains("is not in the kernel store", e.Message, StringComparison.Ordinal);
        Assert.Equal("7.9.3-rc2", (await source.Store().ResolveAsync(source.Reference, null, Cancelled)).Release);
    }

    private static async Task EventuallyAsync(Func<bool> condition)
    {
        Stopwatch clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60), "it did not come to pass");
            await Task.Delay(20, Cancelled);
        }
    }
}
