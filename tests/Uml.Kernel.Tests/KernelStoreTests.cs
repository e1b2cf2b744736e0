using System.Diagnostics;
using Xunit;

namespace Uml.CI;

/// <summary>The store with stand-ins for apt and dpkg.</summary>
public sealed class KernelStoreTests
{
    private static readonly KernelReference s_sid = "debian:sid";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static KernelResolveOptions With(Reports reports) => new() { Progress = reports };

    private static Task<KernelException> Fails(KernelStore store, KernelReference reference, KernelResolveOptions? options = null) =>
        Assert.ThrowsAsync<KernelException>(() => store.ResolveAsync(reference, options, Cancelled));

    private static void HasNothingHalfDone(KernelStore store)
    {
        Assert.False(Directory.Exists(Path.Combine(store.Root, "kernels")) && Directory.EnumerateFileSystemEntries(Path.Combine(store.Root, "kernels")).Any());
        Assert.Equal(["gate"], Directory.EnumerateFileSystemEntries(Path.Combine(store.Root, "tmp")).Select(Path.GetFileName));
    }

    [Fact]
    public async Task A_kernel_is_fetched_once_and_then_found()
    {
        using Scratch scratch = new();
        FakeApt apt = new(scratch);
        Reports reports = new();
        GuestKernel kernel = await apt.Store().ResolveAsync(s_sid, With(reports), Cancelled);
        Assert.Equal("debian:sid", kernel.Reference);
        Assert.Equal("7.9.3-tiny", kernel.Release);
        Assert.Equal(new Version(7, 9), kernel.Version);
        Assert.True(kernel.SupportsSeccomp && kernel.IsSmp && kernel.IsStatic);
        Assert.Equal("1:7.9", kernel.PackageVersion);
        Assert.Null(kernel.LibraryDirectory);
        Assert.Equal([kernel.ExecutablePath], kernel.ReadPaths);
        Assert.Equal(scratch[$"store/kernels/{kernel.Sha256}/linux"], kernel.ExecutablePath);
        Assert.Equal("kernel/fs/x.ko:\n", await File.ReadAllTextAsync(Path.Combine(kernel.ModulesDirectory!, "modules.dep"), Cancelled));
        Assert.Contains(reports.All, r => r is { BytesDone: 617, BytesTotal: 1234 } && r.Stage == "downloading user-mode-linux 1:7.9");
        Assert.DoesNotContain(reports.All, r => r.IsWarning);

        // apt worked with a configuration of its own.
        Assert.All(apt.Calls.Where(c => !c.StartsWith("indextargets", StringComparison.Ordinal)), c => Assert.StartsWith($"-c {scratch["store/tmp"]}/", c, StringComparison.Ordinal));

        // Neither apt nor anything else is needed from now on.
        KernelStore bare = new(scratch["store"], new HostTools { Variable = _ => null });
        Assert.Equal(kernel.ExecutablePath, (await bare.ResolveAsync(s_sid, new KernelResolveOptions { Offline = true }, Cancelled)).ExecutablePath);
        Assert.Equal(kernel.ExecutablePath, bare.Find(s_sid)!.ExecutablePath);
        StoredKernel stored = Assert.Single(bare.List());
        Assert.Equal(["debian:sid"], stored.References);
        Assert.Empty(bare.Verify(stored));
        Assert.Equal(1, apt.Downloads);
        Assert.Equal(["gate"], Directory.EnumerateFileSystemEntries(scratch["store/tmp"]).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Offline_says_what_to_do()
    {
        using Scratch scratch = new();
        KernelStore store = new FakeApt(scratch).Store();
        KernelException e = await Fails(store, s_sid, new KernelResolveOptions { Offline = true });
        Assert.Contains("uml kernel pull debian:sid", e.Message, StringComparison.Ordinal);
        Assert.Null(store.Find(s_sid));
    }

    [Theory]
    [InlineData("apt-get", "'apt'")]
    [InlineData("apt-config", "'apt'")]
    [InlineData("dpkg-deb", "'dpkg'")]
    public async Task A_missing_program_is_named_with_its_package(string program, string package)
    {
        using Scratch scratch = new();
        KernelStore store = new FakeApt(scratch).Store();
        File.Delete(scratch["bin/" + program]);
        KernelException e = await Fails(store, s_sid);
        Assert.Contains(program + " is not installed", e.Message, StringComparison.Ordinal);
        Assert.Contains(package, e.Message, StringComparison.Ordinal);
        HasNothingHalfDone(store);
    }

    [Theory]
    [InlineData("E: The repository 'http://m sid InRelease' is not signed.", "debian-archive-keyring")]
    [InlineData("E: The repository 'http://m nosuch Release' does not have a Release file.", "has no suite sid")]
    [InlineData("E: Failed to fetch http://m  Temporary failure resolving 'm'", "see to the network")]
    [InlineData("E: Release file for http://m is not valid yet (invalid for another 3d).", "clock")]
    [InlineData("", "apt-get failed without a word")]
    public async Task What_stopped_apt_is_told(string error, string told)
    {
        using Scratch scratch = new();
        KernelStore store = new FakeApt(scratch, $"case \"$*\" in *update*) echo \"{error}\" >&2; exit 100;; esac").Store();
        KernelException e = await Fails(store, s_sid);
        Assert.Contains(told, e.Message, StringComparison.Ordinal);
        Assert.Contains("http://mirror.invalid/debian", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
        HasNothingHalfDone(store);
    }

    [Fact]
    public async Task An_expired_index_is_used_with_a_warning()
    {
        using Scratch scratch = new();
        FakeApt apt = new(scratch, """
            case "$*" in *update*)
              if ! grep -q 'Check-Valid-Until "false"' "$2"; then
                echo "E: Release file for http://m/InRelease is expired (invalid since 13d 22h). Updates for this repository will not be applied." >&2; exit 100
              fi ;;
            esac
            """);
        Reports reports = new();
        await apt.Store().ResolveAsync(s_sid, With(reports), Cancelled);
        Assert.Contains("Valid-Until", Assert.Single(reports.All, r => r.IsWarning).Stage, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_expired_index_with_another_fault_is_not_used()
    {
        using Scratch scratch = new();
        FakeApt apt = new(scratch, """
            case "$*" in *update*) echo "E: Release file for http://m/InRelease is expired (invalid since 13d 22h)." >&2; echo "E: and more" >&2; exit 100 ;; esac
            """);
        Assert.Contains("and more", (await Fails(apt.Store(), s_sid)).Message, StringComparison.Ordinal);
        Assert.Single(apt.Calls, c => c.Contains("update", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_archive_of_another_origin_is_refused()
    {
        using Scratch scratch = new();
        FakeApt apt = new(scratch, """
            case "$*" in *update*) mkdir -p ../state/lists; echo "Origin: Somebody" > ../state/lists/m_InRelease; exit 0 ;; esac
            """);
        Assert.Contains("'Somebody', not Debian", (await Fails(apt.Store(), s_sid)).Message, StringComparison.Ordinal);
        Assert.Equal(0, apt.Downloads);
    }

    [Fact]
    public async Task A_suite_without_the_package_is_told()
    {
        using Scratch scratch = new();
        FakeApt apt = new(scratch, "case \"$*\" in *--print-uris*) echo 'E: Unable to locate package user-mode-linux' >&2; exit 100;; esac");
        Assert.Contains("has no package user-mode-linux", (await Fails(apt.Store(), s_sid)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_package_whose_kernel_is_none_is_refused()
    {
        using Scratch scratch = new();
        KernelStore store = new FakeApt(scratch, kernel: TinyKernel.Build(machine: 183)).Store();
        Assert.Contains("aarch64", (await Fails(store, s_sid)).Message, StringComparison.Ordinal);
        HasNothingHalfDone(store);
    }

    [Fact]
    public async Task Several_at_once_download_once()
    {
        using Scratch scratch = new();
        FakeApt apt = new(scratch, "case \"$*\" in *update*) sleep 0.3;; esac");
        Reports reports = new();
        GuestKernel[] kernels = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => apt.Store().ResolveAsync(s_sid, With(reports), Cancelled), Cancelled)));
        Assert.Single(kernels.Select(k => k.ExecutablePath).Distinct(StringComparer.Ordinal));
        Assert.Equal(1, apt.Downloads);
        Assert.Contains(reports.All, r => r.Stage.StartsWith("waiting for another process", StringComparison.Ordinal));

        // Those that waited for a refresh do not refresh again.
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => apt.Store().ResolveAsync(s_sid, new KernelResolveOptions { Refresh = true }, Cancelled), Cancelled)));
        Assert.InRange(apt.Downloads, 2, 5);
    }

    [Fact]
    public async Task Cancellation_ends_apt_and_leaves_nothing()
    {
        using Scratch scratch = new();
        FakeApt apt = new(scratch, "case \"$*\" in *\" download\"*) case \"$*\" in *print-uris*) ;; *) echo dlstatus:1:10.0:x; sleep 1000 ;; esac ;; esac");
        using CancellationTokenSource source = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        KernelStore store = apt.Store();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.ResolveAsync(s_sid, new KernelResolveOptions { Progress = new CancelOnBytes(source) }, source.Token));
        await Processes.NoneWithAsync(scratch["store/tmp"], Cancelled);
        HasNothingHalfDone(store);
    }

    private sealed class CancelOnBytes(CancellationTokenSource source) : IProgress<KernelProgress>
    {
        public void Report(KernelProgress value)
        {
            if (value.BytesDone > 0)
                source.Cancel();
        }
    }

    [Fact]
    public async Task Refresh_follows_the_archive_and_keeps_the_old_kernel()
    {
        using Scratch scratch = new();
        FakeApt apt = new(scratch);
        GuestKernel old = await apt.Store().ResolveAsync(s_sid, null, Cancelled);
        scratch.Write("tree/usr/bin/linux.uml", TinyKernel.Build("Linux version 8.0.1 (a@b) (gcc) #1 Mon"));
        Assert.Equal(old.Sha256, (await apt.Store().ResolveAsync(s_sid, null, Cancelled)).Sha256);
        GuestKernel next = await apt.Store().ResolveAsync(s_sid, new KernelResolveOptions { Refresh = true }, Cancelled);
        Assert.Equal("8.0.1", next.Release);
        Assert.Null(next.ModulesDirectory);
        KernelStore store = apt.Store();
        Assert.Equal("8.0.1", store.Find(s_sid)!.Release);
        Assert.Equal(["8.0.1", "7.9.3-tiny"], store.List().Select(k => k.Release));
        Assert.Equal([1, 0], store.List().Select(k => k.References.Count));
        Assert.True(File.Exists(old.ExecutablePath));
    }

    [Fact]
    public async Task Damage_is_found_and_a_refresh_mends_it()
    {
        using Scratch scratch = new();
        FakeApt apt = new(scratch);
        KernelStore store = apt.Store();
        GuestKernel kernel = await store.ResolveAsync(s_sid, null, Cancelled);

        byte[] bytes = await File.ReadAllBytesAsync(kernel.ExecutablePath, Cancelled);
        bytes[^5] ^= 1;
        await File.WriteAllBytesAsync(kernel.ExecutablePath, bytes, Cancelled);
        File.Delete(Path.Combine(kernel.ModulesDirectory!, "modules.dep"));
        Assert.Equal(
            [$"{kernel.ExecutablePath} is not what was fetched", $"{kernel.ModulesDirectory}/modules.dep is missing"],
            store.Verify(store.List().Single()).Order(StringComparer.Ordinal));
        await store.ResolveAsync(s_sid, new KernelResolveOptions { Refresh = true }, Cancelled);
        Assert.Empty(store.Verify(store.List().Single()));

        // One that a power cut emptied, and a description that is no JSON, count as not there.
        await File.WriteAllBytesAsync(kernel.ExecutablePath, [], Cancelled);
        Assert.Null(store.Find(s_sid));
        await store.ResolveAsync(s_sid, null, Cancelled);
        await File.WriteAllTextAsync(Path.Combine(Path.GetDirectoryName(kernel.ExecutablePath)!, "kernel.json"), "{", Cancelled);
        Assert.Null(store.Find(s_sid));
        await store.ResolveAsync(s_sid, null, Cancelled);
        Assert.Empty(store.Verify(store.List().Single()));
        Assert.Equal(4, apt.Downloads);
    }

    [Fact]
    public async Task Kernels_are_removed_by_reference_or_sha()
    {
        using Scratch scratch = new();
        KernelStore store = new FakeApt(scratch).Store();
        GuestKernel kernel = await store.ResolveAsync(s_sid, null, Cancelled);
        await store.ResolveAsync("debian:unstable", null, Cancelled);
        Assert.Equal(["debian:sid", "debian:unstable"], store.List().Single().References);

        await store.RemoveAsync("debian:sid", Cancelled);
        Assert.Equal(["debian:unstable"], store.List().Single().References);
        await Assert.ThrowsAsync<KernelException>(() => store.RemoveAsync("debian:sid", Cancelled));
        await Assert.ThrowsAsync<KernelException>(() => store.RemoveAsync(kernel.Sha256[..5], Cancelled));
        await Assert.ThrowsAsync<KernelException>(() => store.RemoveAsync("../../x", Cancelled));
        Assert.Equal(kernel.Sha256, (await store.RemoveAsync(kernel.Sha256[..6], Cancelled)).Sha256);
        Assert.Empty(store.List());
        Assert.Null(store.Find("debian:unstable"));
        HasNothingHalfDone(store);
    }

    [Fact]
    public async Task A_lock_file_pins()
    {
        using Scratch scratch = new();
        FakeApt apt = new(scratch);
        KernelStore store = apt.Store();
        string path = scratch["uml.lock.json"];
        KernelResolveOptions options = new() { LockFile = path };
        GuestKernel first = await store.ResolveAsync(s_sid, options, Cancelled);
        Assert.Equal(new KernelLockEntry("7.9.3-tiny", first.Sha256, "1:7.9"), KernelLock.Load(path).Find(s_sid));

        // The reference moves on; whoever is pinned stays.
        scratch.Write("tree/usr/bin/linux.uml", TinyKernel.Build("Linux version 8.0.1 (a@b) (gcc) #1 Mon"));
        await store.ResolveAsync(s_sid, new KernelResolveOptions { Refresh = true }, Cancelled);
        Assert.Equal(first.Sha256, (await store.ResolveAsync(s_sid, options, Cancelled)).Sha256);

        // A store without the pinned one gets another: an error, on the lock file's side.
        KernelStore other = apt.Store("other");
        KernelException e = await Fails(other, s_sid, options);
        Assert.Contains("pins it to 7.9.3-tiny", e.Message, StringComparison.Ordinal);
        Assert.Contains("pinned to 7.9.3-tiny", (await Fails(other, s_sid, options with { Offline = true })).Message, StringComparison.Ordinal);

        await other.ResolveAsync(s_sid, options with { Refresh = true }, Cancelled);
        Assert.Equal("8.0.1", KernelLock.Load(path).Find(s_sid)!.Release);
        Assert.Equal("8.0.1", (await other.ResolveAsync(s_sid, options, Cancelled)).Release);
    }

    [Fact]
    public async Task A_pinned_version_the_archive_has_left_is_not_downloaded()
    {
        using Scratch scratch = new();
        FakeApt apt = new(scratch);
        string path = scratch.Write("uml.lock.json", """{"version":1,"kernels":{"debian:sid":{"release":"7.1","sha256":"SHA","package":"7.1um9"}}}""".Replace("SHA", new string('0', 64), StringComparison.Ordinal));
        KernelException e = await Fails(apt.Store(), s_sid, new KernelResolveOptions { LockFile = path });
        Assert.Contains("7.1um9", e.Message, StringComparison.Ordinal);
        Assert.Contains("1:7.9", e.Message, StringComparison.Ordinal);
        Assert.Equal(0, apt.Downloads);
    }

    [Fact]
    public async Task Several_references_are_pinned_at_once()
    {
        using Scratch scratch = new();
        FakeApt apt = new(scratch);
        string[] suites = ["a", "b", "c", "d", "e", "f"];
        await Task.WhenAll(suites.Select(s => Task.Run(() => apt.Store().ResolveAsync("debian:" + s, new KernelResolveOptions { LockFile = scratch["uml.lock.json"] }, Cancelled), Cancelled)));
        Assert.Equal(suites.Select(s => "debian:" + s), KernelLock.Load(scratch["uml.lock.json"]).Entries.Keys);
    }

    [Fact]
    public async Task A_file_is_a_kernel()
    {
        using Scratch scratch = new();
        string path = scratch.Write("out/a b/linux", TinyKernel.Build());
        KernelStore store = new(scratch["store"]);
        GuestKernel kernel = await store.ResolveAsync(path, null, Cancelled);
        Assert.Equal("file:" + path, kernel.Reference);
        Assert.Equal(path, kernel.ExecutablePath);
        Assert.Null(kernel.ModulesDirectory);
        string release = kernel.Release;

        Directory.CreateDirectory(scratch[$"out/a b/modules/{release}"]);
        Assert.Equal(scratch[$"out/a b/modules/{release}"], (await store.ResolveAsync(path, null, Cancelled)).ModulesDirectory);
        Directory.CreateDirectory(scratch[$"out/lib/uml/modules/{release}"]);
        Assert.Equal(scratch[$"out/lib/uml/modules/{release}"], (await store.ResolveAsync(path, null, Cancelled)).ModulesDirectory);

        // Rebuilt in place, with the same length and time.
        DateTime time = File.GetLastWriteTimeUtc(path);
        scratch.Write("out/a b/linux", TinyKernel.Build(TinyKernel.Banner.Replace("7.9.3", "7.9.4", StringComparison.Ordinal)));
        File.SetLastWriteTimeUtc(path, time);
        Assert.Equal("7.9.4-tiny", (await store.ResolveAsync(path, null, Cancelled)).Release);
    }

    [Fact]
    public async Task A_file_that_is_no_kernel_says_why()
    {
        using Scratch scratch = new();
        KernelStore store = new(scratch["store"]);
        Assert.Contains("does not exist", (await Fails(store, scratch["none"])).Message, StringComparison.Ordinal);
        Assert.Contains("is a directory", (await Fails(store, scratch.Path)).Message, StringComparison.Ordinal);
        Assert.Contains("not a regular file", (await Fails(store, "/dev/null")).Message, StringComparison.Ordinal);
        Assert.Contains("RISC-V", (await Fails(store, scratch.Write("r", TinyKernel.Build(machine: 243)))).Message, StringComparison.Ordinal);
        Assert.Contains("kernel module", (await Fails(store, scratch.Write("o", TinyKernel.Build(type: 1)))).Message, StringComparison.Ordinal);
        Assert.Contains("no Linux version line", (await Fails(store, "/bin/true")).Message, StringComparison.Ordinal);
        Assert.Contains("ARCH=um", (await Fails(store, scratch.Write("v", TinyKernel.Build(marker: "")))).Message, StringComparison.Ordinal);
        Assert.Contains("chmod +x", (await Fails(store, scratch.Write("x", TinyKernel.Build(), executable: false))).Message, StringComparison.Ordinal);
        Assert.Contains("x86-64 only", (await Fails(new KernelStore(scratch["store"], new HostTools { IsX64 = false }), scratch["x"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_store_is_where_the_environment_says()
    {
        using Scratch scratch = new();
        Dictionary<string, string> variables = new() { ["HOME"] = scratch["home"], ["TMPDIR"] = scratch["tmp dir"] };
        Directory.CreateDirectory(scratch["tmp dir"]);
        HostTools host = new() { Variable = variables.GetValueOrDefault };
        Assert.Equal(scratch["home/.cache/uml"], new KernelStore(null, host).Root);
        variables["XDG_CACHE_HOME"] = "relative";
        Assert.Equal(scratch["home/.cache/uml"], new KernelStore(null, host).Root);
        variables["XDG_CACHE_HOME"] = scratch["xdg"];
        Assert.Equal(scratch["xdg/uml"], new KernelStore(null, host).Root);
        variables["UML_CACHE"] = scratch["own"];
        Assert.Equal(scratch["own"], new KernelStore(null, host).Root);
        Assert.Null(new KernelStore(null, host).Notice);

        // A place that cannot be a directory, for root too.
        variables["UML_CACHE"] = scratch.Write("file", "") + "/uml";
        KernelStore store = new(null, host);
        Assert.Equal(scratch[$"tmp dir/uml-{Native.UserId}"], store.Root);
        Assert.Contains("file/uml cannot be created", store.Notice, StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(store.Root));

            // Others could have put it there.
            File.SetUnixFileMode(store.Root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute);
            Assert.Equal("can be entered by others", StoreRoot.ProblemWithPrivate(store.Root));
            File.CreateSymbolicLink(scratch["link"], scratch["home"]);
            Assert.Equal("is not a directory", StoreRoot.ProblemWithPrivate(scratch["link"]));
        }

        Assert.Contains("name another directory", Assert.Throws<KernelException>(() => new KernelStore(variables["UML_CACHE"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_dead_processes_left_is_swept_and_what_living_ones_use_is_not()
    {
        using Scratch scratch = new();
        scratch.Write("store/tmp/1-dead/debs/half.deb", "x");
        scratch.Write("store/tmp/1-dead.lock", "");
        using (TemporaryDirectory living = await TemporaryDirectory.CreateAsync(scratch["store/tmp"], Cancelled))
        {
            Assert.False(Directory.Exists(scratch["store/tmp/1-dead"]));
            Assert.False(File.Exists(scratch["store/tmp/1-dead.lock"]));
            scratch.Write("store/tmp/2-dead.lock", "");
            _ = new KernelStore(scratch["store"]);
            Assert.False(File.Exists(scratch["store/tmp/2-dead.lock"]));
            Assert.True(Directory.Exists(living.Path));
        }

        Assert.Equal(["gate"], Directory.EnumerateFileSystemEntries(scratch["store/tmp"]).Select(Path.GetFileName));
    }

    [Fact]
    public async Task A_killed_process_leaves_nothing_that_counts()
    {
        // In other processes, with this machine's own apt; each is killed at another moment of its work.
        using Scratch scratch = new();
        Random random = new(42);
        for (int i = 0; i < 4; i++)
        {
            using Process other = OtherProcess.Start(scratch["store"], "debian:bookworm");
            while (!other.HasExited && !(Directory.Exists(scratch["store/tmp"]) && Directory.EnumerateFiles(scratch["store/tmp"], "*.lock").Any()))
                await Task.Delay(5, Cancelled);
            await Task.Delay(random.Next(0, 3000), Cancelled);
            other.Kill();
            await other.WaitForExitAsync(Cancelled);
            await Processes.NoneWithAsync(scratch["store/tmp"], Cancelled);
        }

        KernelStore store = new(scratch["store"]);
        Assert.Equal(["gate"], Directory.EnumerateFileSystemEntries(scratch["store/tmp"]).Select(Path.GetFileName));
        foreach (StoredKernel kernel in store.List())
            Assert.Empty(store.Verify(kernel));
        GuestKernel found = await store.ResolveAsync("debian:bookworm", null, Cancelled);
        Assert.Empty(store.Verify(store.List().Single(k => k.Sha256 == found.Sha256)));
    }
}
