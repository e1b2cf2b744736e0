using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>What is in a distribution's image, and how it comes about.</summary>
public sealed partial class DistributionTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nothing_of_the_host_or_the_day_is_in_it()
    {
        RootImage image = await RootTests.MinimalAsync();
        string listing = (await new ExternalProgram(Tools.Find("unsquashfs")) { Arguments = ["-lln", image.Path] }.RunAsync(Cancel)).StandardOutput;
        Assert.DoesNotMatch(@"squashfs-root/etc/apt/sources\.list$", listing);
        Assert.DoesNotMatch(@"squashfs-root/etc/apt/sources\.list\.d/", listing);
        Assert.DoesNotMatch(@"squashfs-root/etc/apt/apt\.conf\.d/.*mmdebstrap", listing);
        Assert.DoesNotMatch(@"squashfs-root/var/log/(apt/|dpkg|bootstrap|alternatives)", listing);
        Assert.DoesNotMatch(@"squashfs-root/var/cache/apt/archives/.*deb", listing);
        Assert.DoesNotMatch(@"squashfs-root/(tmp|run)/[^\n]*\.conf", listing);
        Assert.Contains("squashfs-root/dev/null", listing, StringComparison.Ordinal);
        async Task<string> Read(string file) => (await new ExternalProgram(Tools.Find("unsquashfs")) { Arguments = ["-cat", image.Path, file] }.RunAsync(Cancel)).StandardOutput;
        Assert.Equal("uml\n", await Read("etc/hostname"));
        Assert.Equal("", await Read("etc/resolv.conf"));
        // Nothing is younger than the suite's own description.
        DateTime made = DateTime.Parse(image.Record.Inputs["date"], System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AdjustToUniversal);
        foreach (Match time in TimeOfFile().Matches(listing))
            Assert.True(DateTime.Parse(time.Value, System.Globalization.CultureInfo.InvariantCulture) <= made.AddDays(1), time.Value);
    }

    [Fact]
    public async Task Made_again_it_has_the_same_bytes_and_two_makers_make_it_once()
    {
        RootImage image = await RootTests.MinimalAsync();
        using var scratch = new Scratch();
        Reports[] reports = [new(), new()];
        RootImage[] again = await Task.WhenAll(reports.Select(r => scratch.Store.ResolveAsync(image.Reference, new ImageResolveOptions { Progress = r }, Cancel)));
        Assert.Equal(again[0].Record.Sha256, again[1].Record.Sha256);
        Assert.Single(reports, r => r.All.Any(p => p.Stage.Contains("with mmdebstrap", StringComparison.Ordinal)));
        // The suite may have moved on between the two.
        if (again[0].Record.Key == image.Record.Key)
            Assert.Equal(image.Record.Sha256, again[0].Record.Sha256);
        Assert.Empty(scratch.Remains());
    }

    [Fact]
    public async Task A_suite_or_package_that_does_not_exist_is_said_in_one_line()
    {
        foreach (string program in (string[])["mmdebstrap", "sqfstar"])
            Tools.Find(program);
        using var scratch = new Scratch();
        foreach ((string reference, string words) in ((string, string)[])[("debian:no-such-suite", "no-such-suite"), ("debian:trixie#minimal:no-such-package", "no-such-package")])
        {
            KernelException e = await Assert.ThrowsAsync<KernelException>(() => scratch.Store.ResolveAsync(ImageReference.Parse(reference), null, Cancel));
            Assert.Contains(words, e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', e.Message);
            Assert.Equal(KernelProblem.NotFound, e.Problem);
            Assert.Empty(scratch.Remains());
        }
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("KILL")]
    public async Task Whoever_dies_in_the_middle_leaves_nothing(string signal)
    {
        foreach (string program in (string[])["mmdebstrap", "sqfstar"])
            Tools.Find(program);
        using var scratch = new Scratch();
        string tool = Path.Combine(AppContext.BaseDirectory, "Uml.Image.Tests");
        var start = new ProcessStartInfo(tool) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment[Maker.Variable] = scratch["store"];
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(Cancel);
        // In the middle: packages are being unpacked in the namespace.
        var clock = Stopwatch.StartNew();
        while (!Running(scratch.Path).Any(p => p.Contains("dpkg", StringComparison.Ordinal) || p.Contains("apt-get", StringComparison.Ordinal)))
        {
            Assert.True(clock.Elapsed < TimeSpan.FromMinutes(2) && !process.HasExited, $"mmdebstrap did not get to work: {(process.HasExited ? await output : "")}");
            await Task.Delay(50, Cancel);
        }

        await new ExternalProgram("kill") { Arguments = ["-" + signal, process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)] }.RunAsync(Cancel);
        await process.WaitForExitAsync(Cancel);
        clock.Restart();
        while (Running(scratch.Path) is { Count: > 0 } left)
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), "still running: " + string.Join(" | ", left));
            await Task.Delay(100, Cancel);
        }

        Assert.DoesNotContain(scratch.Path.Replace(" ", "\\040", StringComparison.Ordinal), await File.ReadAllTextAsync("/proc/self/mounts", Cancel), StringComparison.Ordinal);
        Assert.Empty(scratch.Store.List());
        Assert.Empty(scratch.Remains());
    }

    private static List<string> Running(string path)
    {
        List<string> found = [];
        foreach (string process in Directory.GetDirectories("/proc").Where(d => char.IsAsciiDigit(Path.GetFileName(d)[0])))
        {
            try
            {
                string command = File.ReadAllText(process + "/cmdline").Replace('\0', ' ');
                // What runs in the namespace names its directory or has it in its environment.
                if (Path.GetFileName(process) != Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture)
                    && (command.Contains(path, StringComparison.Ordinal) || File.ReadAllText(process + "/environ").Contains("UML_WORK=" + path, StringComparison.Ordinal)))
                    found.Add(command);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It ended while we looked.
            }
        }

        return found;
    }

    [GeneratedRegex(@"\b20\d\d-\d\d-\d\d \d\d:\d\d\b")]
    private static partial Regex TimeOfFile();
}
