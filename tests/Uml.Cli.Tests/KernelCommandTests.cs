using System.Text.Json;

namespace Uml.CI.Cli.Tests;

/// <summary><c>uml kernel</c> on a store of the test's own, with Debian's kernel in it.</summary>
public sealed class KernelCommandTests : ToolTests
{
    [Fact]
    public async Task A_kernel_is_shown_with_its_options()
    {
        Assert.Equal(0, (await RunAsync("kernel", "pull", "debian:bookworm")).ExitCode);
        Run show = await RunAsync("kernel", "show", "debian:bookworm");
        Assert.True(show.ExitCode == 0, show.ToString());
        Assert.Matches(@"(?m)^release +6\.1\.\d+", show.Output);
        Assert.Matches(@"(?m)^from +the package user-mode-linux of Debian bookworm$", show.Output);
        Assert.Matches(@"(?m)^modules +/", show.Output);

        Run options = await RunAsync("kernel", "show", "debian:bookworm", "hostfs", "CONFIG_64BIT", "CONFIG_SECCOMP*");
        Assert.True(options.ExitCode == 0, options.ToString());
        Assert.StartsWith("CONFIG_HOSTFS=", options.Output, StringComparison.Ordinal);
        Assert.Contains("CONFIG_64BIT=y\n", options.Output, StringComparison.Ordinal);
        Assert.Contains("CONFIG_SECCOMP_FILTER=y\n", options.Output, StringComparison.Ordinal);

        Run unset = await RunAsync("kernel", "show", "debian:bookworm", "KASAN");
        Assert.Equal((1, "# CONFIG_KASAN is not set\n"), (unset.ExitCode, unset.Output));
        Run whole = await RunAsync("kernel", "show", "--config", "debian:bookworm");
        Assert.Contains("CONFIG_64BIT=y\n", whole.Output, StringComparison.Ordinal);

        Run none = await RunAsync("kernel", "show", "debian:none");
        Assert.Equal(125, none.ExitCode);
        Assert.Contains("'debian:none' is not in the kernel store", none.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_damaged_kernel_is_found()
    {
        Assert.Equal(0, (await RunAsync("kernel", "pull", "debian:bookworm")).ExitCode);
        using JsonDocument list = JsonDocument.Parse((await RunAsync("kernel", "list", "--json")).OutputBytes);
        string original = list.RootElement.EnumerateArray().Single(k => k.GetProperty("references").EnumerateArray().Any(r => r.GetString() == "debian:bookworm")).GetProperty("directory").GetString()!;
        string sum = Path.GetFileName(original);
        string directory = this[$"store/kernels/{sum}"];
        CopyTree(original, directory);
        System.IO.Directory.CreateDirectory(this["store/refs/debian"]);
        string reference = Path.Combine(Path.GetDirectoryName(Path.GetDirectoryName(original))!, "refs/debian/bookworm.json");
        File.Copy(reference, this["store/refs/debian/bookworm.json"]);
        Dictionary<string, string?> store = new() { ["UML_CACHE"] = this["store"] };

        Run good = await RunAsync(["kernel", "verify"], null, store);
        Assert.True(good.ExitCode == 0, good.ToString());
        Assert.Matches(@"^debian:bookworm: Linux 6\.1\.\d+\S*, .* MB: good\n$", good.Output);

        // One bit, far inside.
        using (FileStream file = File.Open(Path.Combine(directory, "linux"), FileMode.Open, FileAccess.ReadWrite))
        {
            file.Position = file.Length / 2;
            int value = file.ReadByte();
            file.Position--;
            file.WriteByte((byte)(value ^ 1));
        }

        Run damaged = await RunAsync(["kernel", "verify", "debian:bookworm"], null, store);
        Assert.Equal(1, damaged.ExitCode);
        Assert.Contains("DAMAGED", damaged.Output, StringComparison.Ordinal);
        Assert.Contains($"{directory}/linux is not what was fetched", damaged.Output, StringComparison.Ordinal);
        Assert.Contains("1 of 1 kernels", damaged.Error, StringComparison.Ordinal);

        File.Delete(Path.Combine(directory, "kernel.json"));
        Run unreadable = await RunAsync(["kernel", "verify"], null, store);
        Assert.Equal(1, unreadable.ExitCode);
        Assert.Contains($"{directory}: DAMAGED", unreadable.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pruning_frees_what_was_not_used_for_long()
    {
        Dictionary<string, string?> store = new() { ["UML_CACHE"] = this["store"] };
        Run nothing = await RunAsync(["kernel", "prune"], null, store);
        Assert.True(nothing.ExitCode == 0, nothing.ToString());
        Assert.StartsWith("0 B freed; the store takes ", nothing.Output, StringComparison.Ordinal);
        foreach (string[] wrong in (string[][])[["--unused-for", "soon"], ["--max-size", "much"], ["--unused-for", "0d"]])
        {
            Run refused = await RunAsync(["kernel", "prune", .. wrong], null, store);
            Assert.Equal(125, refused.ExitCode);
            Assert.Contains(wrong[1], refused.Error, StringComparison.Ordinal);
        }
    }

    private static void CopyTree(string from, string to)
    {
        System.IO.Directory.CreateDirectory(to);
        foreach (string directory in System.IO.Directory.EnumerateDirectories(from, "*", SearchOption.AllDirectories))
            System.IO.Directory.CreateDirectory(Path.Combine(to, Path.GetRelativePath(from, directory)));
        foreach (string file in System.IO.Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
            File.Copy(file, Path.Combine(to, Path.GetRelativePath(from, file)));
    }
}
