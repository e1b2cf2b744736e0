namespace Uml.CI.Cli;

/// <summary>The connection of a test program in a guest with the "dotnet test" that waits for it on the host.</summary>
internal sealed class TestPlatformLink : IAsyncDisposable
{
    private const int IdLength = 64;
    private readonly SocketForward _socket;
    private readonly HashSet<string> _artifacts = new(StringComparer.Ordinal);

    private TestPlatformLink(SocketForward socket) => _socket = socket;

    /// <summary>Done when nobody listens on the host any more.</summary>
    public Task Lost => _socket.Abandoned;

    /// <summary>Makes the socket in the guest.</summary>
    public static async Task<TestPlatformLink> OpenAsync(Guest guest, string path, CancellationToken cancellationToken)
    {
        SocketForward socket = await guest.ForwardSocketAsync(path, path, cancellationToken);
        var link = new TestPlatformLink(socket);
        socket.Taps = () => new ArtifactReader(link.Note).Add;
        return link;
    }

    /// <summary>Waits until all that the program said before it ended has reached the host.</summary>
    public Task FinishAsync(CancellationToken cancellationToken) => _socket.DrainAsync(cancellationToken);

    /// <summary>
    /// Brings the attachments of tests to where the host has been told they are. What the guest has there may be anything: a file is
    /// put under a name of ours, looked at, and renamed, which follows no link.
    /// </summary>
    /// <returns>What could not be brought, a line each.</returns>
    public async Task<IReadOnlyList<string>> BringAttachmentsAsync(Guest guest, CancellationToken cancellationToken)
    {
        string[] paths;
        lock (_artifacts)
            paths = [.. _artifacts.Where(a => IsAttachment(a, Path.GetTempPath()))];
        var problems = new List<string>();
        foreach (string path in paths)
        {
            string directory = Path.GetDirectoryName(path)!;
            string arrival = Path.Combine(directory, $".uml-{Environment.ProcessId}");
            try
            {
                Directory.CreateDirectory(directory);
                if (new DirectoryInfo(directory).LinkTarget is not null)
                    throw new IOException($"{directory} is a link");
                await guest.CopyOutAsync(path, arrival, cancellationToken);
                if (!File.Exists(arrival) || new FileInfo(arrival).LinkTarget is not null)
                    throw new IOException("in the guest it is no file");
                File.Move(arrival, path, overwrite: true);
            }
            catch (Exception e) when (e is GuestException or IOException or UnauthorizedAccessException or OperationCanceledException)
            {
                problems.Add($"the attachment {path} is not here: {(e is GuestException { Summary.Length: > 0 } g ? g.Summary : e.Message)}");
                Remove(arrival);
            }
        }

        return problems;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _socket.DisposeAsync();

    /// <summary>
    /// Whether a path is where xunit puts an attachment: below the temporary directory, in one named by a test's unique ID, a
    /// SHA-256. The program in the guest says where its files are, and must not choose which files of the host are replaced.
    /// </summary>
    internal static bool IsAttachment(string path, string temporary)
    {
        if (path.Length == 0 || path.Contains('\0') || Path.GetFullPath(path) != path || Path.GetDirectoryName(path) is not { } directory)
            return false;
        string id = Path.GetFileName(directory);
        return Path.GetDirectoryName(directory) == Path.TrimEndingDirectorySeparator(temporary)
            && id.Length == IdLength && id.All(char.IsAsciiHexDigitLower);
    }

    private static void Remove(string arrival)
    {
        try
        {
            // A link to a directory is a link here, too.
            if (new FileInfo(arrival).LinkTarget is not null || !Directory.Exists(arrival))
                File.Delete(arrival);
            else
                Directory.Delete(arrival, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Beside the attachments, which nobody clears away either.
        }
    }

    private void Note(string path)
    {
        lock (_artifacts)
            _artifacts.Add(path);
    }
}
