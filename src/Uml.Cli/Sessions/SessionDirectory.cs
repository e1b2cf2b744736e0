extern alias UmlKernel;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Uml.CI.Cli;

using FileLock = UmlKernel::Uml.CI.FileLock;

/// <summary>
/// The place of a kept guest: a directory only its owner may enter, and a lock beside it that is held as long as the guest
/// is kept. What has no holder is left over, whatever became of the process that made it.
/// </summary>
internal sealed class SessionDirectory
{
    public const string DefaultName = "default";
    private const int LongestName = 64;

    // The reasons of guests that nobody asked about are worth keeping for a day.
    private static readonly TimeSpan EndsKept = TimeSpan.FromDays(1);

    private SessionDirectory(string parent, string name)
    {
        Parent = parent;
        Name = name;
        Path = System.IO.Path.Combine(parent, name);
    }

    public string Name { get; }

    public string Path { get; }

    /// <summary>Whether a process keeps the guest.</summary>
    public bool IsHeld => FileLock.IsHeld(LockPath);

    /// <summary>Whether anything is there.</summary>
    public bool Exists => Directory.Exists(Path);

    public string KernelLogFile => System.IO.Path.Combine(Path, "kernel.log");

    private string Parent { get; }

    private string LockPath => Path + ".lock";

    private string SocketPath => System.IO.Path.Combine(Path, "socket");

    private string RecordPath => System.IO.Path.Combine(Path, "guest.json");

    private string EndPath => System.IO.Path.Combine(Path, "end.json");

    /// <summary>What is wrong with a name; null if nothing is.</summary>
    public static string? ProblemWith(string name) =>
        name.Length is > 0 and <= LongestName && char.IsAsciiLetterOrDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')
            ? null
            : $"\"{name}\" is no name for a guest: up to {LongestName} letters, digits, - and _, the first a letter or digit";

    /// <summary>The guest of a name, whether or not there is one.</summary>
    public static SessionDirectory Of(string name) => new(FindParent(), name);

    /// <summary>All that are kept, and those that ended unasked.</summary>
    public static IReadOnlyList<SessionDirectory> All()
    {
        string parent = FindParent();
        if (!Directory.Exists(parent))
            return [];
        return [.. Directory.EnumerateDirectories(parent).Select(System.IO.Path.GetFileName).Where(n => ProblemWith(n!) is null).Order(StringComparer.Ordinal).Select(n => new SessionDirectory(parent, n!))];
    }

    /// <summary>Makes the directory anew; null if somebody keeps a guest of this name.</summary>
    public async Task<FileLock?> TakeAsync(CancellationToken cancellationToken)
    {
        UnixFiles.CreatePrivateDirectory(Parent);
        using FileLock gate = await TakeGateAsync(cancellationToken);
        Sweep();
        // Who looks whether it is held, holds it for that moment.
        for (int attempt = 0; attempt < 5; attempt++)
        {
            if (FileLock.TryTake(LockPath) is { } held)
            {
                UnixFiles.DeleteTree(Path);
                UnixFiles.CreatePrivateDirectory(Path);
                return held;
            }

            await Task.Delay(20, cancellationToken);
        }

        return null;
    }

    /// <summary>Removes the directory and gives the lock back; with a reason, that and the kernel's log stay for whoever asks.</summary>
    public async Task ReleaseAsync(FileLock held, SessionEnd? end)
    {
        using FileLock gate = await TakeGateAsync(CancellationToken.None);
        File.Delete(SocketPath);
        if (end is not null)
            AtomicFile.Write(EndPath, JsonSerializer.Serialize(end, SessionJson.Default.SessionEnd));
        else
            UnixFiles.DeleteTree(Path);
        File.Delete(LockPath);
        held.Dispose();
    }

    /// <summary>Removes what a guest left that is no longer kept; whether there was anything.</summary>
    public async Task<bool> RemoveAsync(CancellationToken cancellationToken)
    {
        if (!Exists)
            return false;
        using FileLock gate = await TakeGateAsync(cancellationToken);
        return Remove();
    }

    public void Write(SessionRecord record) => AtomicFile.Write(RecordPath, JsonSerializer.Serialize(record, SessionJson.Default.SessionRecord));

    /// <summary>What is known of the guest; null before it is ready.</summary>
    public SessionRecord? ReadRecord() => Read(RecordPath, SessionJson.Default.SessionRecord);

    /// <summary>Why a guest that nobody keeps is no more.</summary>
    public SessionEnd ReadEnd() => Read(EndPath, SessionJson.Default.SessionEnd)
        ?? new SessionEnd("lost", "the process that kept it was killed", KernelLogTail());

    /// <summary>The last lines of the kernel's log; empty if there is none.</summary>
    public string KernelLogTail()
    {
        const int Lines = 60;
        try
        {
            return string.Join('\n', File.ReadLines(ReadRecord()?.KernelLogFile ?? KernelLogFile).TakeLast(Lines));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    public Socket Listen() => AtSocket((socket, address) =>
    {
        socket.Bind(address);
        socket.Listen();
    });

    /// <summary>Connects to the process that keeps the guest.</summary>
    /// <exception cref="SocketException">There is none, or it does not listen yet or any more.</exception>
    public Socket Connect() => AtSocket((socket, address) => socket.Connect(address));

    // A socket's path has 107 bytes, and a directory may be deeper than that: it is named by a descriptor.
    private Socket AtSocket(Action<Socket, UnixDomainSocketEndPoint> use)
    {
        int directory = Native.OpenDirectory(Path);
        if (directory < 0)
            throw new SocketException((int)SocketError.AddressNotAvailable);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            use(socket, new UnixDomainSocketEndPoint($"/proc/self/fd/{directory}/socket"));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        finally
        {
            Native.Close(directory);
        }
    }

    private Task<FileLock> TakeGateAsync(CancellationToken cancellationToken) =>
        FileLock.TakeAsync(System.IO.Path.Combine(Parent, "gate"), null, cancellationToken);

    // The gate is held.
    private bool Remove()
    {
        using FileLock? free = FileLock.TryTake(LockPath);
        if (free is null)
            return false;
        UnixFiles.DeleteTree(Path);
        File.Delete(LockPath);
        return true;
    }

    private void Sweep()
    {
        foreach (string directory in Directory.EnumerateDirectories(Parent))
        {
            if (DateTime.UtcNow - Directory.GetLastWriteTimeUtc(directory) > EndsKept)
                new SessionDirectory(Parent, System.IO.Path.GetFileName(directory)).Remove();
        }
    }

    private static T? Read<T>(string path, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), type);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    // Guests are this machine's, and the runtime directory is, too; a store may be shared by several.
    private static string FindParent() =>
        Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is ['/', ..] runtime && Directory.Exists(runtime) && StoreRoot.ProblemWithPrivate(System.IO.Path.Combine(runtime, "uml")) is null
            ? System.IO.Path.Combine(runtime, "uml", "guests-kept")
            : System.IO.Path.Combine(new KernelStore().Root, "guests-kept");
}
