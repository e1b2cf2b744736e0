using System.Net.Sockets;
using System.Text;
using Uml.CI.Wire;

namespace Uml.CI.Cli;

/// <summary>
/// Runs commands in the testbed for the programs that autopkgtest starts to that end. Its socket has a name and no file: nothing of
/// it is left when this process ends, in whatever way, and only the user of this process and root are listened to.
/// </summary>
internal sealed class CommandRelay : IDisposable
{
    // Milliseconds between a program's connection and its words, all of which it has.
    private const int Patience = 20_000;

    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly uint _user = Native.geteuid();
    private volatile Guest? _guest;

    public CommandRelay()
    {
        Name = $"uml-autopkgtest-{Environment.ProcessId}-{Guid.NewGuid():N}";
        _listener.Bind(new UnixDomainSocketEndPoint("\0" + Name));
        _listener.Listen(64);
        _ = AcceptAsync();
    }

    /// <summary>The socket's name, without the zero byte that says that it has no file.</summary>
    public string Name { get; }

    /// <summary>Where commands run from now on; null for nowhere.</summary>
    public void ServeFrom(Guest? guest) => _guest = guest;

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Socket connection = await _listener.AcceptAsync();
                // Threads of their own: the pool has as many as the machine has CPUs, and each of these waits for somebody.
                _ = Task.Factory.StartNew(() => Serve(connection), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The listener is closed.
        }
    }

    private void Serve(Socket connection)
    {
        using (connection)
        {
            int socket = (int)connection.Handle;
            if (Native.PeerOf(socket) is not { } user || user != _user && user != 0)
                return;
            int[] descriptors = [];
            try
            {
                string[]? words = Receive(socket, out descriptors);
                if (words is null)
                    return;
                byte status = (byte)new RelayedProcess(connection, descriptors).Run(_guest, words);
                Native.Write(socket, [status]);
            }
            finally
            {
                foreach (int descriptor in descriptors)
                    Native.Close(descriptor);
            }
        }
    }

    /// <summary>The words of a command, and the descriptors it is to have; null if whoever asked is gone, or is no such program.</summary>
    private static string[]? Receive(int socket, out int[] descriptors)
    {
        byte[] header = new byte[RelayedCommand.HeaderSize];
        descriptors = [];
        if (!Native.Poll(socket, Native.PollIn, Patience))
            return null;
        int n = Native.ReceiveDescriptors(socket, header, RelayedCommand.Descriptors, out descriptors);
        int size = BitConverter.ToInt32(header);
        if (n != header.Length || descriptors.Length != RelayedCommand.Descriptors || size is < 2 or > RelayedCommand.MaximumSize)
            return null;
        byte[] words = new byte[size];
        for (int have = 0; have < size;)
        {
            // A program that stops in the middle is not waited for.
            if (!Native.Poll(socket, Native.PollIn, Patience))
                return null;
            n = Native.Read(socket, words.AsSpan(have));
            if (n is -Native.EINTR or -Native.EAGAIN)
                continue;
            if (n <= 0)
                return null;
            have += n;
        }

        return words[^1] == 0 ? Encoding.UTF8.GetString(words.AsSpan(0, size - 1)).Split('\0') : null;
    }
}
