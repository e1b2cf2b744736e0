using System.Collections.Concurrent;

namespace Uml.CI.Tests;

/// <summary>Packages that are broken on purpose, and one that is not, in guests of Debian.</summary>
public sealed class SmokeGuestTests : IDisposable
{
    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("uml-smoke-");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Delete(recursive: true);

    [Fact]
    public async Task A_good_package_passes_and_broken_ones_fail_where_they_are_broken()
    {
        string unit = "[Service]\nExecStart=/usr/sbin/NAME\n[Install]\nWantedBy=multi-user.target\n";
        string start = "#!/bin/sh\nset -e\nsystemctl daemon-reload\nsystemctl enable --now NAME.service\n";
        string stop = "#!/bin/sh\nset -e\nif [ \"$1\" = remove ]; then systemctl disable --now NAME.service; fi\n";
        await BuildAsync("uml-good", ("usr/sbin/uml-good", "#!/bin/sh\ncase \"$1\" in --version) echo 1; exit;; esac\nexec sleep 1000\n"), ("usr/lib/systemd/system/uml-good.service", unit), ("etc/uml-good.conf", "a=b\n"), ("DEBIAN/conffiles", "/etc/uml-good.conf\n"), ("DEBIAN/postinst", start), ("DEBIAN/prerm", stop), ("DEBIAN/postrm", "#!/bin/sh\nsystemctl daemon-reload\n"));
        await BuildAsync("uml-postinst", ("usr/share/uml-postinst/x", "x"), ("DEBIAN/postinst", "#!/bin/sh\necho about to fail\nexit 3\n"));
        await BuildAsync("uml-dies", ("usr/sbin/uml-dies", "#!/bin/sh\ncase \"$1\" in --version) echo 1; exit;; esac\nsleep 0.2\necho these are my last words\nexit 7\n"), ("usr/lib/systemd/system/uml-dies.service", unit), ("DEBIAN/postinst", start), ("DEBIAN/prerm", stop), ("DEBIAN/postrm", "#!/bin/sh\nsystemctl daemon-reload\nsystemctl reset-failed\n"));
        await BuildAsync("uml-leaves", ("usr/share/uml-leaves/x", "x"), ("DEBIAN/postinst", "#!/bin/sh\nmkdir -p /var/lib/uml-leaves\necho x > /var/lib/uml-leaves/state\nln -sfn /usr/share/uml-leaves/x /etc/uml-leaves.link\n"));

        var options = new SmokeOptions
        {
            Arguments = [_scratch.FullName],
            Guests = [new GuestOptions { Kernel = "debian:sid", Memory = 512L << 20, BootTimeout = TimeSpan.FromMinutes(2), SystemTimeout = TimeSpan.FromMinutes(5) }],
            KeepGoing = true,
        };
        var listener = new Listener();
        SmokeTest.Outcome outcome = await SmokeTest.RunAsync(options, listener, Cancel);
        for (int i = 0; i < outcome.Results.Length; i++)
            BootCount.Record();
        Dictionary<string, SmokeResult> results = outcome.Results.ToDictionary(r => r.Target.Name);
        Assert.False(outcome.Succeeded);
        Assert.Equal(results.Count, listener.Done.Count);

        SmokeResult good = results["uml-good"];
        Assert.True(good.Succeeded, Text(good));
        Assert.Contains("uml-good.service runs", Step(good, "services").Notes);
        Assert.Equal(["upgrade"], good.Steps.Where(s => s.Outcome == ReportOutcome.Skipped).Select(s => s.Name));

        SmokeResult postinst = results["uml-postinst"];
        Assert.Equal("install", Assert.Single(postinst.Steps, s => s.Outcome.IsFailure()).Name);
        Assert.Contains("post-installation script subprocess returned error exit status 3", Step(postinst, "install").Reason, StringComparison.Ordinal);
        Assert.Contains("about to fail", Step(postinst, "install").Log, StringComparison.Ordinal);
        Assert.Equal((ReportOutcome.Skipped, "install failed"), (Step(postinst, "services").Outcome, Step(postinst, "services").Reason));

        SmokeResult dies = results["uml-dies"];
        Assert.Equal("services", dies.Steps.First(s => s.Outcome.IsFailure()).Name);
        Assert.Contains("uml-dies.service failed (exit-code, status 7)", Step(dies, "services").Reason, StringComparison.Ordinal);
        Assert.Contains("these are my last words", Step(dies, "services").Log, StringComparison.Ordinal);

        SmokeResult leaves = results["uml-leaves"];
        Assert.Equal("leftovers", Assert.Single(leaves.Steps, s => s.Outcome.IsFailure()).Name);
        Assert.Contains("left behind: /etc/uml-leaves.link -> /usr/share/uml-leaves/x (broken), /var/lib/uml-leaves/", Step(leaves, "leftovers").Reason, StringComparison.Ordinal);
    }

    private static SmokeStep Step(SmokeResult result, string name) => result.Steps.Single(s => s.Name == name);

    private static string Text(SmokeResult result) => string.Join('\n', [.. result.Problems, .. result.Steps.Where(s => s.Outcome != ReportOutcome.Passed).Select(s => $"{s.Name}: {s.Outcome}: {s.Reason}\n{s.Log}")]);

    private async Task BuildAsync(string name, params (string Path, string Content)[] files)
    {
        string tree = Path.Combine(_scratch.FullName, name);
        foreach ((string path, string content) in files.Append(("DEBIAN/control", "Package: NAME\nVersion: 1.0-1\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: test\n")))
        {
            string file = Path.Combine(tree, path);
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            await File.WriteAllTextAsync(file, content.Replace("NAME", name, StringComparison.Ordinal), Cancel);
            File.SetUnixFileMode(file, content.StartsWith("#!", StringComparison.Ordinal) ? (UnixFileMode)0x1ed : (UnixFileMode)0x1a4);
        }

        await new ExternalProgram("/usr/bin/dpkg-deb") { Arguments = ["--root-owner-group", "-Zgzip", "--build", tree, Path.Combine(_scratch.FullName, $"{name}_1.0-1_all.deb")] }.RunAsync(Cancel);
    }

    private sealed class Listener : ISmokeListener
    {
        public ConcurrentBag<SmokeResult> Done { get; } = [];

        public void Begins(SmokeTarget target, string suite, string kernel, string step)
        {
        }

        public void Ended(SmokeTarget target, string suite, string kernel, SmokeStep step)
        {
        }

        public void Ended(SmokeResult result) => Done.Add(result);
    }
}
