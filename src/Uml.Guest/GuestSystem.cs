using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Uml.CI;

/// <summary>A user the guest knows, as /etc/passwd has it.</summary>
/// <param name="Name">Login name.</param>
/// <param name="UserId">Number.</param>
/// <param name="GroupId">Number of the user's own group.</param>
/// <param name="Home">Home directory.</param>
/// <param name="Shell">Login shell.</param>
public sealed record GuestUser(string Name, uint UserId, uint GroupId, string Home, string Shell);

/// <summary>A mount of the guest.</summary>
/// <param name="Path">Where it is mounted.</param>
/// <param name="Type">The file system: <c>overlay</c>, <c>hostfs</c>, <c>tmpfs</c>, ...</param>
/// <param name="Source">What is mounted, as the kernel names it.</param>
/// <param name="Options">The options of the mount and of the file system.</param>
public sealed record GuestMountPoint(string Path, string Type, string Source, ImmutableArray<string> Options)
{
    /// <summary>Whether nothing can be written through it.</summary>
    public bool IsReadOnly => Options.Contains("ro");
}

/// <summary>Time, users and mounts of a guest, in one line each.</summary>
public static class GuestSystem
{
    /// <summary>What is mounted, in the order of mounting. Needs no program in the guest.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public static async Task<IReadOnlyList<GuestMountPoint>> GetMountsAsync(this Guest guest, CancellationToken cancellationToken = default) =>
        [.. Lines(await guest.ReadTextAsync("/proc/self/mountinfo", cancellationToken)).Select(ParseMount)];

    /// <summary>The users of /etc/passwd. Needs no program in the guest, but the file: an empty root has none.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public static async Task<IReadOnlyList<GuestUser>> GetUsersAsync(this Guest guest, CancellationToken cancellationToken = default) =>
        [.. Lines(await guest.ReadTextAsync("/etc/passwd", cancellationToken)).Select(ParseUser).OfType<GuestUser>()];

    /// <summary>The guest's clock. Needs the program <c>date</c> in the guest.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <exception cref="GuestException">There is no <c>date</c>.</exception>
    public static async Task<DateTimeOffset> GetTimeAsync(this Guest guest, CancellationToken cancellationToken = default)
    {
        string[] parts = (await DateAsync(guest, ["-u", "+%s.%N"], cancellationToken)).Trim().Split('.');
        DateTimeOffset seconds = DateTimeOffset.FromUnixTimeSeconds(long.Parse(parts[0], CultureInfo.InvariantCulture));
        // A small date(1), such as busybox's, knows no nanoseconds and leaves the letters.
        return parts.Length == 2 && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long nanoseconds)
            ? seconds.AddTicks(nanoseconds / 100)
            : seconds;
    }

    /// <summary>Sets the guest's clock, to the second. Needs the program <c>date</c> in the guest.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="time">The time.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <exception cref="GuestException">There is no <c>date</c>, or the kernel refuses the time.</exception>
    public static Task SetTimeAsync(this Guest guest, DateTimeOffset time, CancellationToken cancellationToken = default) =>
        DateAsync(guest, ["-u", "-s", string.Create(CultureInfo.InvariantCulture, $"@{time.ToUnixTimeSeconds()}")], cancellationToken);

    /// <summary>Reads a line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).</summary>
    internal static GuestMountPoint ParseMount(string line)
    {
        string[] fields = line.Split(' ');
        int separator = Array.IndexOf(fields, "-");
        return new GuestMountPoint(
            Unescape(fields[4]),
            fields[separator + 1],
            Unescape(fields[separator + 2]),
            [.. fields[5].Split(',').Concat(fields[separator + 3].Split(',')).Distinct(StringComparer.Ordinal)]);
    }

    /// <summary>Reads a line of /etc/passwd; null if it is none.</summary>
    internal static GuestUser? ParseUser(string line) =>
        line.Split(':') is { Length: 7 } fields
        && uint.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out uint user)
        && uint.TryParse(fields[3], NumberStyles.None, CultureInfo.InvariantCulture, out uint group)
            ? new GuestUser(fields[0], user, group, fields[5], fields[6])
            : null;

    private static string[] Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    // The kernel writes space, tab, line end and backslash as \ooo, byte by byte.
    private static string Unescape(string text)
    {
        if (!text.Contains('\\', StringComparison.Ordinal))
            return text;
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        var result = new List<byte>(bytes.Length);
        for (int i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] == '\\' && i + 3 < bytes.Length)
            {
                result.Add((byte)(((bytes[i + 1] - '0') << 6) | ((bytes[i + 2] - '0') << 3) | (bytes[i + 3] - '0')));
                i += 3;
            }
            else
            {
                result.Add(bytes[i]);
            }
        }

        return Encoding.UTF8.GetString([.. result]);
    }

    private static async Task<string> DateAsync(Guest guest, string[] arguments, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(guest);
        ExecResult result;
        try
        {
            result = await guest.ExecAsync(["date", .. arguments], cancellationToken);
        }
        catch (ExecException e)
        {
            const string Summary = "The guest's clock is read and set with the program date, which its root does not have: use a root with one, or GuestBuilder.WithClock.";
            throw new GuestException(Summary, e) { Summary = Summary };
        }

        if (result.Success)
            return result.StandardOutput;
        string failure = $"The guest's clock cannot be read or set: {result.StandardError.Trim()}";
        throw new GuestException(failure) { Summary = failure };
    }
}
