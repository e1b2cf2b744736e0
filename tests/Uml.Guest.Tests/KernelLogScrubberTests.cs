using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace Uml.CI.Tests;

/// <summary>Scrubbed logs are the same each time. Snapshots are named as Verify names them.</summary>
public sealed class KernelLogScrubberTests
{
    private static readonly string Snapshots = typeof(KernelLogScrubberTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Snapshots").Value!;

    public static TheoryData<string> Kernels => [Guests.Old, Guests.New];

    [Theory]
    [InlineData("6.1-sysrq-crash")]
    [InlineData("7.2-sysrq-crash")]
    [InlineData("6.1-null-pointer")]
    [InlineData("7.2-user-segfault")]
    public void Log(string log)
    {
        var text = new StringBuilder(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Logs", log + ".txt")).ReplaceLineEndings("\n"));

        KernelLogScrubber.Scrub(text);

        Verify(text.ToString(), $"log={log}");
        string once = text.ToString();
        KernelLogScrubber.Scrub(text);
        Assert.Equal(once, text.ToString());
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public async Task Two_boots_of_a_kernel_say_the_same(string kernel)
    {
        string[] boots = await Task.WhenAll(Boot("256M"), Boot("256M"), Boot("1G"));

        Assert.Contains("Linux version RELEASE (BUILD)", boots[0], StringComparison.Ordinal);
        Assert.Equal(boots[0], boots[1]);
        Assert.Equal(boots[0], boots[2]);

        async Task<string> Boot(string memory)
        {
            await using Guest guest = await Guests.StartAsync(kernel, b => b.WithMemory(memory));
            // What the first command of a guest has the kernel say is not always said in time.
            var text = new StringBuilder(guest.KernelLog.ToString());
            KernelLogScrubber.Scrub(text);
            string log = text.ToString();
            return log[..(log.IndexOf("Run /init as init process", StringComparison.Ordinal) + 1)];
        }
    }

    [Theory]
    [InlineData("[    0.020000] Run /init as init process", "Run /init as init process")]
    [InlineData("[    1.234567][  T123] x", "x")]
    [InlineData("CPU: 0 PID: 169 Comm: sh Not tainted 6.1.176 #1 ", "CPU: 0 PID: PID Comm: sh Not tainted RELEASE")]
    [InlineData("CPU: 0 UID: 0 PID: 169 Comm: sh Tainted: G        W           7.2.7 #1 NONE", "CPU: 0 UID: 0 PID: PID Comm: sh Tainted: G        W RELEASE")]
    [InlineData(" [<6002d37a>] show_stack+0x184/0x193", " ADDRESS show_stack+OFFSET")]
    [InlineData("sh[169]: segfault at 0 ip 0000000040001234 sp 00000000bffff000 error 4", "sh[PID]: segfault at 0 ip ADDRESS sp ADDRESS error 4")]
    [InlineData("raid6: avx2x4   gen() 31234 MB/s", "raid6: avx2x4   gen() SPEED")]
    [InlineData("4000.00 BogoMIPS (lpj=20000000)", "SPEED (lpj=COUNT)")]
    [InlineData("Memory: 241412K/262144K available (7828K kernel code)", "Memory: SIZE available (SIZE kernel code)")]
    [InlineData("mconsole (version 2) initialized on guest/uml/uml-051dcdb61ff6/mconsole", "mconsole (version 2) initialized on HOST-PATH")]
    [InlineData("tempdir.../dev/shm/uml-051dcdb61ff6/guest/mem", "tempdir...HOST-PATH")]
    [InlineData("audit: type=2000 audit(1795201175.856:1): state=initialized", "audit: type=2000 audit(TIME): state=initialized")]
    [InlineData("VFS: Disk quotas dquot_6.6.0", "VFS: Disk quotas dquot_6.6.0")]
    [InlineData("BUG: kernel NULL pointer dereference", "BUG: kernel NULL pointer dereference")]
    public void Line(string line, string expected)
    {
        var text = new StringBuilder(line);

        KernelLogScrubber.Scrub(text);

        Assert.Equal(expected, text.ToString());
    }

    [Fact]
    public void Is_what_a_snapshot_library_takes()
    {
        Action<StringBuilder> scrubber = KernelLogScrubber.Scrub;
        Assert.Throws<ArgumentNullException>(() => scrubber(null!));
    }

    // A snapshot that differs is written beside the one that was expected, for people to look at and rename.
    private static void Verify(string text, string parameters, [CallerMemberName] string method = "")
    {
        string stem = Path.Combine(Snapshots, $"{nameof(KernelLogScrubberTests)}.{method}_{parameters}");
        string verified = File.Exists($"{stem}.verified.txt") ? File.ReadAllText($"{stem}.verified.txt") : "";
        if (verified == text)
        {
            File.Delete($"{stem}.received.txt");
            return;
        }

        File.WriteAllText($"{stem}.received.txt", text);
        Assert.Equal(verified, text);
    }
}
