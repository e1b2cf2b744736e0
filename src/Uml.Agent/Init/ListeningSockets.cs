using System.Text;

namespace Uml.CI.Agent.Init;

/// <summary>The unix sockets that lead to the host. They stay until the guest ends.</summary>
internal sealed class ListeningSockets
{
    // sun_path is 108 bytes with its NUL (unix(7)).
    private const int LongestPath = 107;
    private const int Backlog = 16;

    private readonly Dictionary<string, int> _sockets = new(StringComparer.Ordinal);

    /// <summary>The socket at a path, made if it is not there yet.</summary>
    /// <exception cref="SetupException">It cannot be made.</exception>
    public int Open(string path)
    {
        if (_sockets.TryGetValue(path, out int socket))
            return socket;
        byte[] bytes = Encoding.UTF8.GetBytes(path);
        if (bytes.Length > LongestPath || !path.StartsWith('/'))
            throw new SetupException(0, $"cannot listen at \"{path}\": the path of a socket is absolute and at most {LongestPath} bytes long");
        int slash = path.LastIndexOf('/');
        if (slash > 0 && Linux.MakeDirectories(path[..slash]) is not 0 and var missing)
            throw new SetupException(missing, $"cannot make the directory of the socket {path}");

        socket = Linux.socket(Linux.AF_UNIX, Linux.SOCK_STREAM | Linux.SOCK_NONBLOCK | Linux.SOCK_CLOEXEC, 0);
        if (socket < 0)
            throw new SetupException(Linux.Errno, $"cannot listen at {path}");
        // Anyone in the guest may connect, and the file's mode decides.
        uint mask = Linux.umask(0);
        int error = Linux.Bind(socket, bytes);
        // In a root of the host's files the host's own socket is in the way, and nobody listens there.
        if (error == Linux.EADDRINUSE && (Linux.Mode(path) & Linux.S_IFMT) == Linux.S_IFSOCK && Linux.UnlinkAt(0, path) == 0)
            error = Linux.Bind(socket, bytes);
        Linux.umask(mask);
        if (error == 0 && Linux.listen(socket, Backlog) != 0)
            error = Linux.Errno;
        if (error != 0)
        {
            Linux.close(socket);
            throw new SetupException(error, $"cannot listen at {path}");
        }

        _sockets.Add(path, socket);
        return socket;
    }
}
