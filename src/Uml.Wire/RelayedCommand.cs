namespace Uml.CI.Wire;

/// <summary>
/// What a program says that has a command run in a guest which another process keeps: it connects to that process's socket, sends the
/// size of what follows as four bytes, lowest first, and with them its three standard descriptors; then the command's words, each
/// ended by a zero byte. The answer is one byte, the exit status. A connection that ends before means that there will be none.
/// </summary>
public static class RelayedCommand
{
    /// <summary>Bytes before the words.</summary>
    public const int HeaderSize = 4;

    /// <summary>Most bytes of a command's words; more than Linux lets a program have with a stack of 8 MB (execve(2)).</summary>
    public const int MaximumSize = 16 * 1024 * 1024;

    /// <summary>Descriptors that come with the header.</summary>
    public const int Descriptors = 3;

    /// <summary>The exit status of a command that could not be run, or whose end is not known.</summary>
    public const int Failed = 254;

    /// <summary>How many bytes the name of a socket can have that has no file: a zero byte comes before it (unix(7), sun_path).</summary>
    public const int MaximumName = 107;
}
