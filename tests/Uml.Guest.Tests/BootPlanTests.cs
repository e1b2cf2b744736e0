namespace Uml.CI.Tests;

/// <summary>What a guest will be is decided before anything is started.</summary>
public sealed class BootPlanTests
{
    private static readonly GuestKernel Kernel = new()
    {
        Reference = "file:/k/linux",
        Release = "7.2.7",
        Banner = "Linux version 7.2.7",
        ExecutablePath = "/k/linux",
        Sha256 = new string('0', 64),
        ReadPaths = ["/k/lib"],
        Version = new Version(7, 2),
        IsSmp = false,
        IsStatic = false,
        LibraryDirectory = "/k/lib",
    };

    private static readonly BootPlan.HostFacts Host = new("/dev/shm", "/cache/i.cpio", "uml-1", "/home/me");

    [Fact]
    public void The_defaults_are_a_confined_host_root_in_the_callers_directory()
    {
        BootPlan plan = BootPlan.Create(new GuestOptions(), Kernel, Host);
        Assert.Contains("seccomp=auto", plan.Start.Arguments);
        Assert.Contains("noreboot", plan.Start.Arguments);
        Assert.Contains("mem=512M", plan.Start.Arguments);
        Assert.Contains("/", plan.Start.ReadPaths);
        Assert.Empty(plan.Start.WritePaths);
        Assert.True(plan.Start.Confine);
        Assert.Equal(["LD_LIBRARY_PATH=/k/lib", "GCOV_PREFIX=/dev/null", "GCOV_ERROR_FILE=/dev/null"], plan.Start.Environment);
        Assert.Equal("/", plan.Setup.Root);
        Assert.Equal("/home/me", plan.Setup.WorkingDirectory);
    }

    [Fact]
    public void An_empty_root_may_read_nothing_of_the_host_but_its_kernel()
    {
        BootPlan plan = BootPlan.Create(new GuestOptions { Root = GuestRoot.Empty }, Kernel, Host);
        Assert.Equal(["/k/lib", "/k/linux", "/cache/i.cpio"], plan.Start.ReadPaths);
        Assert.Equal("", plan.Setup.Root);
    }

    [Fact]
    public void Only_read_write_mounts_may_be_written()
    {
        GuestOptions options = new GuestBuilder().WithMount("/usr", "/a").WithMount("/var", "/b", MountMode.ReadWrite).WithMount("/etc/", "/c", MountMode.CopyOnWrite).Options;
        BootPlan plan = BootPlan.Create(options, Kernel, Host);
        Assert.Equal(["/var"], plan.Start.WritePaths);
        Assert.Equal(["/usr", "/var", "/etc"], plan.Setup.Shares.Select(s => s.HostPath));
    }

    [Fact]
    public void Old_kernels_are_not_given_what_they_do_not_know()
    {
        BootPlan plan = BootPlan.Create(new GuestOptions(), Kernel with { Version = new Version(6, 1) }, Host);
        Assert.DoesNotContain(plan.Start.Arguments, a => a.StartsWith("seccomp", StringComparison.Ordinal));
        Assert.Contains("seccomp=off", BootPlan.Create(new GuestOptions { Ptrace = true }, Kernel, Host).Start.Arguments);
    }

    [Fact]
    public void The_users_arguments_come_last()
    {
        BootPlan plan = BootPlan.Create(new GuestBuilder().WithKernelArguments("loglevel=3", "quiet").Options, Kernel, Host);
        Assert.Equal(["loglevel=3", "quiet"], plan.Start.Arguments.TakeLast(2));
    }

    [Fact]
    public void Virtual_time_and_coverage_need_a_kernel_that_has_them()
    {
        using var directory = new TemporaryDirectory();
        string plain = directory["plain"], able = directory["able"];
        File.WriteAllText(plain, "Linux version 7.3.0");
        File.WriteAllText(able, new string('x', (1 << 20) - 3) + "time-travel=ext:[ID:]/path\0 a.gcda\0");
        GuestOptions options = new GuestBuilder().WithVirtualTime().WithCoverage(directory["counts"]).Options;

        BootPlan plan = BootPlan.Create(options, Kernel with { ExecutablePath = able }, Host);
        Assert.True(plan.Start.VirtualTime);
        Assert.Contains("time-travel=ext:clock", plan.Start.Arguments);
        Assert.Contains($"GCOV_PREFIX={directory["counts"]}", plan.Start.Environment);
        Assert.Equal([directory["counts"]], plan.Start.WritePaths);

        Refused(options with { CoverageDirectory = null }, "timetravel");
        Refused(options with { VirtualTime = false }, "coverage");
        Refused(options with { Cpus = 2 }, "1 CPU");

        void Refused(GuestOptions refused, string words)
        {
            GuestKernel kernel = Kernel with { ExecutablePath = refused.Cpus > 1 ? able : plain, IsSmp = true };
            Assert.Contains(words, Assert.Throws<ArgumentException>(() => BootPlan.Create(refused, kernel, Host)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Little_memory_is_for_kernels_that_fork_no_helpers()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["own"], "Linux version 7.3.0");
        File.WriteAllText(directory["stock"], "Linux version 7.3.0 /sbin/hotplug\0");
        GuestKernel own = Kernel with { ExecutablePath = directory["own"] }, stock = Kernel with { ExecutablePath = directory["stock"] };
        GuestOptions little = new() { Memory = 64 << 20 };
        Assert.Contains("mem=64M", BootPlan.Create(little, own, Host).Start.Arguments);
        Assert.Contains("with less than 256M some boots of this kernel fail", Assert.Throws<ArgumentException>(() => BootPlan.Create(little, stock, Host)).Message, StringComparison.Ordinal);
        Assert.Contains("mem=256M", BootPlan.Create(little with { Memory = 256 << 20 }, stock, Host).Start.Arguments);
    }

    [Fact]
    public void Options_that_make_no_sense_are_named()
    {
        Refused(b => b.WithMemory("63M"), "63M of memory is too little: with less than 64M some boots");
        Refused(b => b.WithCpus(2), "CONFIG_SMP is off");
        Refused(b => b.WithCpus(0), "0 CPUs");
        Refused(b => b.WithHostname(""), "host name");
        Refused(b => b.WithKernelArguments("mem=1G"), "mem=1G");
        Refused(b => b.WithKernelArguments("a\nb"), "line break");
        Refused(b => b.WithMount("/no/such/place", "/x"), "/no/such/place");
        Refused(b => b.WithMount("/usr", "x"), "\"x\" is not an absolute path");
        Refused(b => b.WithArtifact("/usr", "/x/../y"), "/x/../y");
        Refused(b => b.WithEnvironment("A=B", "c"), "A=B");
        Refused(b => b.WithWorkingDirectory("here"), "\"here\" must be an absolute path");
        Refused(b => b.WithRoot(GuestRoot.Directory("/no/such/root")), "/no/such/root");

        static void Refused(Func<GuestBuilder, GuestBuilder> configure, string words)
        {
            ArgumentException e = Assert.Throws<ArgumentException>(() => BootPlan.Create(configure(new GuestBuilder()).Options, Kernel, Host));
            Assert.Contains(words, e.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("256M", 256L << 20)]
    [InlineData("1G", 1L << 30)]
    [InlineData("512MiB", 512L << 20)]
    [InlineData("300000000", 300000000)]
    [InlineData("64k", 65536)]
    public void Sizes_read_as_people_write_them(string text, long bytes)
    {
        Assert.Equal(bytes, ByteSize.Parse(text));
        Assert.Equal(bytes, ByteSize.Parse(ByteSize.Format(bytes)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("M")]
    [InlineData("-1M")]
    [InlineData("1.5G")]
    [InlineData("lots")]
    [InlineData("99999999999G")]
    public void What_is_no_size_is_quoted(string text) =>
        Assert.Contains($"\"{text}\"", Assert.Throws<FormatException>(() => ByteSize.Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void Modules_are_loaded_behind_what_they_need()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["modules.dep"], "kernel/fs/overlayfs/overlay.ko: kernel/b.ko kernel/a.ko\nkernel/a.ko:\nkernel/b.ko: kernel/a.ko\n");
        Assert.Equal(["kernel/a.ko", "kernel/b.ko", "kernel/fs/overlayfs/overlay.ko"], ModuleList.WithDependencies(directory.Path, "overlay"));
        Assert.Empty(ModuleList.WithDependencies(directory.Path, "missing"));
        Assert.Empty(ModuleList.WithDependencies(null, "overlay"));
    }

    [Fact]
    public void The_initramfs_is_an_archive_the_kernels_own_tool_reads()
    {
        byte[] archive = Initramfs.Build("#!agent"u8);
        Assert.Equal(0, archive.Length % 4);
        string text = System.Text.Encoding.Latin1.GetString(archive);
        Assert.StartsWith("070701", text, StringComparison.Ordinal);
        Assert.Contains("init\0", text, StringComparison.Ordinal);
        Assert.Contains("#!agent", text, StringComparison.Ordinal);
        Assert.Contains("TRAILER!!!\0", text, StringComparison.Ordinal);
    }
}
