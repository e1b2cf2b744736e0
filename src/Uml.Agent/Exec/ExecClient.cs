using System.Buffers.Binary;
using System.Text;
using Uml.CI.Wire;
using static Uml.CI.Agent.Supervise.Native;

namespace Uml.CI.Agent.Exec;

/// <summary>
/// Has a command run in a guest that another process keeps, on this program's own standard descriptors, and ends as it ended. Native,
/// because autopkgtest runs dozens of commands and the runtime of a managed program takes longer to start than most of them.
/// </summary>
internal static unsafe class ExecClient
{
    private const int OwnWords = 3;

    /// <summary>Runs it; the exit status.</summary>
    /// <param name="name">The socket's name; it has no file.</param>
    public static int Run(string name)
    {
        if (Words() is not { } words)
            return Fail("cannot read the command from /proc/self/cmdline");
        if (words.Length == 0)
            return Fail("no command was given");
        if (words.Length > RelayedCommand.MaximumSize)
            return Fail("the command is too long");
        // Whoever closed a descriptor gets the null device, not this program's socket, under its number.
        int spare;
        do
            spare = Open("/dev/null", O_RDWR);
        while (spare is >= 0 and < RelayedCommand.Descriptors);
        if (spare >= 0)
            Close(spare);
        int socket = Socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (socket < 0 || !Connect(socket, name))
            return Fail($"the guest is gone: cannot reach its keeper: {ErrorText(Error)}");
        if (!Send(socket, words))
            return Fail($"the guest is gone: its keeper does not listen: {ErrorText(Error)}");
        byte status;
        nint n;
        do
            n = Read(socket, &status, 1);
        while (n < 0 && Error == EINTR);
        return n == 1 ? status : Fail("the guest was lost while the command ran");
    }

    // As the kernel has them: a word need not be text.
    private static byte[]? Words()
    {
        int file = Open("/proc/self/cmdline", O_RDONLY);
        if (file < 0)
            return null;
        using var all = new MemoryStream();
        byte* buffer = stackalloc byte[4096];
        nint n;
        while ((n = Read(file, buffer, 4096)) > 0)
            all.Write(new ReadOnlySpan<byte>(buffer, (int)n));
        Close(file);
        ReadOnlySpan<byte> words = all.GetBuffer().AsSpan(0, (int)all.Length);
        for (int i = 0; i < OwnWords; i++)
        {
            int end = words.IndexOf((byte)0);
            if (end < 0)
                return [];
            words = words[(end + 1)..];
        }

        return words.ToArray();
    }

    private static bool Connect(int socket, string name)
    {
        byte* address = stackalloc byte[AddressSize];
        new Span<byte>(address, AddressSize).Clear();
        *(ushort*)address = AF_UNIX;
        const int path = 2;
        int length = Encoding.UTF8.GetBytes(name, new Span<byte>(address + path + 1, RelayedCommand.MaximumName));
        return Supervise.Native.Connect(socket, address, (uint)(path + 1 + length)) == 0;
    }

    private static bool Send(int socket, ReadOnlySpan<byte> words)
    {
        byte* header = stackalloc byte[RelayedCommand.HeaderSize];
        BinaryPrimitives.WriteInt32LittleEndian(new Span<byte>(header, RelayedCommand.HeaderSize), words.Length);
        var part = new IoVector { Base = header, Length = RelayedCommand.HeaderSize };
        // struct cmsghdr and three numbers, rounded up to eight bytes (cmsg(3)).
        const int dataOffset = 16, length = dataOffset + (RelayedCommand.Descriptors * 4), space = 32;
        byte* control = stackalloc byte[space];
        *(nuint*)control = length;
        ((int*)control)[2] = SOL_SOCKET;
        ((int*)control)[3] = SCM_RIGHTS;
        for (int i = 0; i < RelayedCommand.Descriptors; i++)
            ((int*)(control + dataOffset))[i] = i;
        var message = new MessageHeader { Vectors = &part, VectorCount = 1, Control = control, ControlLength = space };
        if (SendMessage(socket, &message, MSG_NOSIGNAL) != RelayedCommand.HeaderSize)
            return false;
        fixed (byte* p = words)
        {
            for (int sent = 0; sent < words.Length;)
            {
                nint n = Supervise.Native.Send(socket, p + sent, (nuint)(words.Length - sent), MSG_NOSIGNAL);
                if (n < 0 && Error == EINTR)
                    continue;
                if (n <= 0)
                    return false;
                sent += (int)n;
            }
        }

        return true;
    }

    private static int Fail(string reason)
    {
        byte[] line = Encoding.UTF8.GetBytes($"uml-agent exec: {reason}\n");
        fixed (byte* p = line)
            Write(2, p, (nuint)line.Length);
        return RelayedCommand.Failed;
    }
}
