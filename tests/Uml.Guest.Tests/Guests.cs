using System.Diagnostics;
using System.Globalization;

namespace Uml.CI.Tests;

/// <summary>Guests for tests, and the proof that nothing of one is left.</summary>
internal static class Guests
{
    /// <summary>The kernels the behaviour must be the same on: the oldest, ptrace only, and the newest, in seccomp mode.</summary>
    public const string Old = "debian:bookworm", New = "debian:sid";

    public static GuestBuilder Builder(string kernel = New) =>
        new GuestBuilder().WithKernel(kernel).WithMemory("256M").WithCommandTimeout(TimeSpan.FromMinutes(2)).WithBootTimeout(TimeSpan.FromMinutes(1));

    public static async Task<Guest> StartAsync(string kernel = New, Func<GuestBuilder, GuestBuilder>? configure = null) =>
        Counted(await (configure ?? (b => b))(Builder(kernel)).StartAsync(TestContext.Current.CancellationToken));

    private static Guest Counted(Guest guest)
    {
        BootCount.Record();
        return guest;
    }

    public static Task<ExecResult> Shell(this Guest guest, string script) =>
        guest.ExecAsync(["sh", "-c", script], TestContext.Current.CancellationToken);

    /// <summary>Takes the guest down and checks that no process and no directory of it is left.</summary>
    public static async Task DisposeAndVerify(this Guest guest)
    {
        await guest.DisposeAsync();
        AssertNothingLeft(guest.Directory, guest.ProcessId);
    }

    public static void AssertNothingLeft(string directory, int session)
    {
        Assert.False(Directory.Exists(directory), $"{directory} is still there");
        Assert.Empty(ProcessesOf(directory, session));
    }

    /// <summary>Processes of a guest's session, or that name its directory on their command line.</summary>
    public static List<string> ProcessesOf(string directory, int session)
    {
        var found = new List<string>();
        foreach (string process in Directory.GetDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(process), NumberStyles.None, CultureInfo.InvariantCulture, out int pid))
                continue;
            try
            {
                string stat = File.ReadAllText($"{process}/stat");
                string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
                string command = File.ReadAllText($"{process}/cmdline").Replace('\0', ' ');
                if (fields[0] != "Z" && (fields[3] == session.ToString(CultureInfo.InvariantCulture) || command.Contains(directory, StringComparison.Ordinal)))
                    found.Add($"{pid} {fields[0]} {command}");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It ended while we looked.
            }
        }

        return found;
    }

    /// <summary>Waits until <paramref name="condition"/> holds; fails after a time no healthy machine needs.</summary>
    public static async Task Eventually(Func<bool> condition, string what, double seconds = 30)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed.TotalSeconds < seconds, $"still not: {what}");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }
}

/// <summary>A guest shared by the tests of a class.</summary>
public abstract class SharedGuest(string kernel) : IAsyncLifetime
{
    private Guest? _guest;

    /// <summary>The guest; a test that asks for it counts as one that booted a guest.</summary>
    public Guest Guest
    {
        get
        {
            BootCount.Record();
            return _guest!;
        }
    }

    public async ValueTask InitializeAsync() => _guest = await Guests.StartAsync(kernel);

    public async ValueTask DisposeAsync() => await _guest!.DisposeAndVerify();
}

public sealed class OldGuest() : SharedGuest(Guests.Old);

public sealed class NewGuest() : SharedGuest(Guests.New);

/// <summary>A directory of the host that goes away with the test.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("uml test ü ").FullName;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
